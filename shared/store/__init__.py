"""Where runs and the catalog are kept: Firestore and SQLite behind the same two ports."""
