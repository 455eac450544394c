"""The job: `python -m orchestrator.main` answers one run, `python -m orchestrator.ingest` reads an atlas into the catalog."""
