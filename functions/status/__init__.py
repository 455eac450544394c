"""Status: where a run stands."""
