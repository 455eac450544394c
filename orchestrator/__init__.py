"""The job: `python -m orchestrator.main` answers one run; `python -m orchestrator.ingest` adds an atlas to the catalog."""
