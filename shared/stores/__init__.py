"""Adapters of the run store and the catalog: Firestore and SQLite behind the same ports."""
