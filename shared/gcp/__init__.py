"""Adapters of Google Cloud: Batch jobs, the results bucket, and the connections below Google's gRPC clients."""
