"""Adding an atlas to the catalog: `python -m orchestrator.ingest`."""
