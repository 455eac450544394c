"""A stand-in for Google Cloud Batch that the real `google-cloud-batch` client talks to; jobs run as processes of this machine."""
