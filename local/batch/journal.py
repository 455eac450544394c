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
        self._connection.execute(
            "create table if not exists jobs (name text unique, job blob, task blob, request_key text)"
        )

    def save(self, record: JobRecord, request_key: str) -> None:
        """Store a job as it is now."""
        job, task = batch_v1.Job.serialize(record.job), batch_v1.Task.serialize(record.task)
        self._connection.execute(
            "insert into jobs values (?1, ?2, ?3, ?4) on conflict (name) do update set job = ?2, task = ?3",
            (record.name, job, task, request_key),
        )

    def delete(self, name: str) -> None:
        """Forget a job."""
        self._connection.execute("delete from jobs where name = ?", (name,))

    def load(self) -> Iterator[tuple[batch_v1.Job, batch_v1.Task, str]]:
        """Yield each job, its task and its request key, in the order of creation."""
        rows = self._connection.execute("select job, task, request_key from jobs order by rowid").fetchall()
        for job, task, request_key in rows:
            yield batch_v1.Job.deserialize(job), batch_v1.Task.deserialize(task), request_key

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
