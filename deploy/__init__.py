"""Deploy the service to Google Cloud. Standard library only, so that a plain Python runs it before anything is installed."""
