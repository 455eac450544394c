"""Predictors: delta transfer, and the optional STACK model."""
