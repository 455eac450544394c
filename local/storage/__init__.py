"""Cloud Storage on one machine: fake-gcs-server keeps the objects, a gateway in front of it checks signed URLs as the real service does."""
