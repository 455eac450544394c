"""Reconcile: find and finish what was left half-way."""
