"""Where the Batch emulator stores its jobs, so that they survive a restart and a crash of the service."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from google.cloud import batch_v1

from local.batch.jobs import JobRecord


class Journal:
    """The jobs in an SQLite file, or in memory without a path. Operations and injected faults end with the process."""

    def __init__(self, path: Path | None) -> None:
        self._connection = sqlite3.connect(path or ":memory:", isolation_level=None)
        # In this mode a killed process loses nothing; only a power failure could cost the last writes.
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        self._connection.execute("create table if not exists jobs (name text unique, job blob, request_key text)")

    def save(self, record: JobRecord) -> None:
        """Store a job as it is now."""
        self._connection.execute(
            "insert into jobs (name, job, request_key) values (?1, ?2, ?3) on conflict (name) do update set job = ?2",
            (record.name, batch_v1.Job.serialize(record.job), record.request_key),
        )

    def delete(self, name: str) -> None:
        """Forget a job."""
        self._connection.execute("delete from jobs where name = ?", (name,))

    def load(self) -> Iterator[tuple[batch_v1.Job, str]]:
        """Yield each job and its request key, in the order of creation."""
        for job, request_key in self._connection.execute("select job, request_key from jobs order by rowid").fetchall():
            yield batch_v1.Job.deserialize(job), request_key

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
