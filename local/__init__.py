"""The whole service on one machine: `python -m local up` and `python -m local demo`."""
