"""What `./deploy.sh doctor` checks: each module asks about one concern, reads only, and yields findings."""
