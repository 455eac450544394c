"""An emulator of Google Cloud Batch for the real `google-cloud-batch` client. Jobs run as processes of this machine."""
