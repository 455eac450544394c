"""Cloud Storage on one machine: fake-gcs-server stores the objects, and a gateway in front of it verifies signed URLs."""
