"""What `deploy.sh` calls. Standard library, and of `shared` what needs no more: a plain Python runs it, before anything is installed."""
