"""Metadata: what the catalog knows."""
