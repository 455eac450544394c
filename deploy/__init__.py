"""What `deploy.sh` calls. Standard library and `shared.routes` only: a plain Python runs it, before anything is installed."""
