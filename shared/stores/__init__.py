"""Run store and catalog on Firestore and on SQLite."""
