"""Adapters of Google Cloud Batch and Cloud Storage."""
