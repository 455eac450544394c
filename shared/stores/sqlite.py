"""Runs and catalog on SQLite."""

from shared.store.sqlite import SqliteRunStore as SqliteRunStore
from shared.store.sqlite_catalog import SqliteCatalog as SqliteCatalog
from shared.store.sqlite_database import SqliteDatabase as SqliteDatabase
