"""Ingested atlases on disk, and expression computed from their counts."""
