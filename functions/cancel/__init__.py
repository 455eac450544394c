"""Cancel: stop a run."""
