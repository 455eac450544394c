"""The domain of runs: states, records, submission, life cycle, views and reconciliation."""
