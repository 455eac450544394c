"""Validate: check a question before it is run."""
