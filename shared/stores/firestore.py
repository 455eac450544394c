"""Runs and catalog on Firestore."""

from shared.store.firestore import FirestoreRunStore as FirestoreRunStore
from shared.store.firestore_catalog import FirestoreCatalog as FirestoreCatalog
