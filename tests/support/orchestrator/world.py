"""Fakes of the job's ports: run store, catalog, and results bucket."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from orchestrator.main import Ports
from shared.catalog.entries import DatasetEntry
from shared.errors import RunExists, RunNotFound, Unavailable
from shared.runs.ports import Cursor, RunFilter
from shared.runs.records import Run, RunOutcome, RunSummary, StoredFile
from shared.runs.states import check_transition


@dataclass
class MemoryRuns:
    """A `RunDatabase` in memory.

    `writes` counts writes, `updates` counts calls; the store is unavailable at the calls numbered in `unavailable_at`. `before` changes
    the run at each update, like another writer.
    """

    runs: dict[str, Run] = field(default_factory=dict)
    writes: int = 0
    updates: int = 0
    unavailable_at: frozenset[int] = frozenset()
    before: Callable[[Run], Run] = lambda run: run

    async def create(self, run: Run, *, max_active: int = 0, replaces: str | None = None) -> None:
        assert not max_active
        assert replaces is None
        if run.run_id in self.runs:
            raise RunExists(run.run_id)
        self.runs[run.run_id] = run

    async def run_of_key(self, key: str) -> str | None:
        raise NotImplementedError("the job creates no runs")

    async def get(self, run_id: str) -> Run | None:
        return self.runs.get(run_id)

    async def summary(self, run_id: str) -> RunSummary | None:
        raise NotImplementedError("the job reads whole runs")

    async def update(self, run_id: str, change: Callable[[Run], Run | None]) -> Run:
        self.updates += 1
        if self.updates in self.unavailable_at:
            raise Unavailable("The run store")
        if run_id not in self.runs:
            raise RunNotFound(run_id)
        self.runs[run_id] = self.before(self.runs[run_id])
        old = self.runs[run_id]
        new = change(old)
        if new is not None:
            check_transition(run_id, old.status, new.status)
            self.runs[run_id] = new
            self.writes += 1
        return self.runs[run_id]

    async def delete(self, run_id: str) -> None:
        raise NotImplementedError("the job deletes nothing")

    async def page(
        self, wanted: RunFilter, *, limit: int, after: Cursor | None = None, offset: int = 0
    ) -> Sequence[RunSummary]:
        raise NotImplementedError("the job lists no runs")

    async def count(self, wanted: RunFilter) -> int:
        raise NotImplementedError("the job counts no runs")

    async def watch(self, run_id: str) -> AsyncGenerator[Run | None]:
        seen = None
        while True:
            if (run := self.runs.get(run_id)) is not seen or run is None:
                yield run
            seen = run
            await asyncio.sleep(0.02)

    async def due(self, now: datetime, *, limit: int) -> Sequence[Run]:
        raise NotImplementedError("the job sweeps no runs")

    async def ping(self) -> None:
        raise NotImplementedError("the job reads its run first")

    async def ping_write(self, moment: datetime) -> None:
        raise NotImplementedError("the job begins its run first")


@dataclass
class FolderFiles:
    """`ResultFiles` in a folder."""

    folder: Path

    async def upload(self, folder: str, path: Path, media_type: str) -> StoredFile:
        name = f"runs/{folder}/{path.name}"
        content = await asyncio.to_thread(self._put, name, path)
        return StoredFile(name=path.name, object_name=name, media_type=media_type, size=len(content), crc32c="AAAAAA==")

    def _put(self, name: str, path: Path) -> bytes:
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content := path.read_bytes())
        return content

    async def delete(self, run_id: str) -> None:
        raise NotImplementedError("the job deletes nothing")

    async def sign(self, files: Sequence[StoredFile], expires_at: datetime) -> Sequence[str]:
        raise NotImplementedError("the job signs nothing")


@dataclass
class ListedCatalog:
    """A `Catalog` of the given entries."""

    entries: dict[str, DatasetEntry]

    async def load(self) -> Sequence[DatasetEntry]:
        return [self.entries[name] for name in sorted(self.entries)]

    async def put(self, entry: DatasetEntry) -> None:
        self.entries[entry.name] = entry

    async def remove(self, name: str) -> None:
        self.entries.pop(name, None)


@dataclass
class World:
    """A run with fakes of all ports, ready for `run_job`."""

    ports: Ports
    store: MemoryRuns
    results: Path
    run_id: str

    @property
    def run(self) -> Run:
        return self.store.runs[self.run_id]

    @property
    def outcome(self) -> RunOutcome:
        found = self.run.outcome
        assert found is not None
        return found

    @property
    def score(self) -> int:
        """The grounding score of a prediction that could be judged."""
        found = self.outcome.grounding_score
        assert found is not None
        return found

    def file(self, suffix: str) -> Path:
        name = f"{self.run_id}_{suffix}"
        return next(self.results / file.object_name for file in self.outcome.files if file.name == name)
