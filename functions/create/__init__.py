"""Create: ask a question."""
