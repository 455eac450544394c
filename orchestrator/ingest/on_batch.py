"""The command line of ingests on Batch: `--on-batch`, and what `show`, `cancel` and `remove` do with them."""

import argparse
import asyncio
import re
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.ingest.cloud import CloudIngests, Wanted

if TYPE_CHECKING:
    from shared.wiring import Container

# The same as that of the ingest itself, which would refuse the name only after the file was copied.
DATASET: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
MACHINE_TYPE: Final = re.compile(r"[a-z][a-z0-9]*-[a-z]+-?[a-z0-9-]*")
# Without a terminal, progress is printed this often at most.
QUIET_SECONDS: Final = 10.0
INTERRUPTED: Final = 130


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ingests on Batch to the command line of the ingest."""
    batch = parser.add_argument_group("in Google Cloud, for files in Cloud Storage")
    batch.add_argument("--on-batch", action="store_true", help="ingest gs://BUCKET/FILE on a machine beside the bucket")
    batch.add_argument("--machine-type", default="", help="its type (default: by the size of the file)")
    batch.add_argument("--disk-gb", type=int, default=0, help="size of its disk (default: 30 + 4 × the file's size)")
    batch.add_argument("--no-wait", action="store_true", help="return when the job is submitted")
    batch.add_argument("--local-copy", type=Path, help=argparse.SUPPRESS)  # of the gs:// file; the job sets it


def take_options(
    parser: argparse.ArgumentParser, given: argparse.Namespace, arguments: Sequence[str]
) -> tuple[Wanted, bool] | None:
    """Take the options of this module from the parsed ones, and return an ingest on Batch and whether to wait for it; None: ingest here.

    Exits with 2 on wrong usage. Afterwards `given.path` is a local path, unless the ingest is on Batch.

    Args:
        given: the parsed command line, with `path` as text.
        arguments: the whole command line.
    """
    names = ("on_batch", "machine_type", "disk_gb", "no_wait", "local_copy")
    on_batch, machine_type, disk_gb, no_wait, local_copy = (vars(given).pop(name) for name in names)
    path = str(given.path)
    in_cloud = path.startswith("gs://")
    if local_copy is not None or (not on_batch and not in_cloud):
        if local_copy is None and (machine_type or disk_gb or no_wait):
            parser.error("--machine-type, --disk-gb and --no-wait need --on-batch")
        given.path = local_copy or Path(path)
        return None
    if not on_batch:
        parser.error(
            f"{path} is in Cloud Storage. Ingest it there with --on-batch, or copy it first: gcloud storage cp {path} ."
        )
    if not in_cloud:
        parser.error(f"--on-batch needs a file in Cloud Storage. Copy it first: gcloud storage cp {path} gs://BUCKET/")
    if not DATASET.fullmatch(given.dataset):
        parser.error(f"{given.dataset!r} is not a valid dataset name: use a-z, 0-9 and _, and start with a letter")
    if machine_type and not MACHINE_TYPE.fullmatch(machine_type):
        parser.error(f"{machine_type!r} is not a machine type such as e2-highmem-8")
    if disk_gb and not 30 <= disk_gb <= 65536:
        parser.error("--disk-gb must be from 30 to 65536")
    return Wanted(given.dataset, path, _for_the_job(arguments), machine_type, disk_gb), not no_wait


def ingest_on_batch(wanted: Wanted, *, wait: bool) -> int:
    """Start or adopt an ingest on Batch and follow it; return 0 if it succeeded or need not be waited for, 1 if it failed.

    Raises:
        AtlasUnusable: there is no such file.
        HaystackError: the settings are incomplete, Google Cloud does not answer or refuses, or another ingest of this dataset runs.
    """
    from shared import wiring  # noqa: PLC0415  # loads the adapters, which a wrong command line need not wait for

    container = wiring.container()
    ingests = CloudIngests(container.settings, container.batch_jobs, container.objects, container.clock)
    goes_on = (
        f"The ingest goes on. Its state: python -m orchestrator.ingest show {wanted.dataset}. "
        f"Stop it: python -m orchestrator.ingest cancel {wanted.dataset}"
    )
    with asyncio.Runner() as runner:
        record, adopted = runner.run(ingests.submit(wanted))
        verb = "was under way already" if adopted else "is submitted"
        print(
            f"The ingest of {wanted.dataset} {verb}: Batch job {record.job_id}, {record.machine_type}, {record.disk_gb} GB",
            file=sys.stderr,
        )
        if not wait:
            print(goes_on)
            return 0
        shown = _Shown()
        try:
            state = runner.run(ingests.follow(record, shown.tell))
        except KeyboardInterrupt:
            print(f"\n{goes_on}", file=sys.stderr)
            return INTERRUPTED
        shown.end()
    if state.record.output:
        print(state.record.output)
    print(state.sentence, file=None if state.succeeded else sys.stderr)
    return 0 if state.succeeded else 1


class InAtlasBucket:
    """The port `atlases.InCloud` on the atlas bucket of a container."""

    def __init__(self, container: "Container") -> None:
        self._ingests = CloudIngests(container.settings, container.batch_jobs, container.objects, container.clock)
        self._catalog = container.catalog

    def state(self, dataset: str) -> str | None:
        """See `InCloud.state`."""
        state = asyncio.run(self._ingests.state(dataset))
        if state is None or not state.over:
            return state and state.sentence
        return f"{state.record.updated_at:%Y-%m-%d %H:%M} UTC, from {state.record.source}: {state.sentence}"

    def cancel(self, dataset: str) -> str:
        """See `InCloud.cancel`."""
        return asyncio.run(self._ingests.cancel(dataset))

    def remove(self, dataset: str) -> None:
        """See `InCloud.remove`."""
        asyncio.run(self._ingests.remove(dataset, self._catalog))


def _for_the_job(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the command line without what concerns Batch."""
    own = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_options(own)
    return tuple(own.parse_known_args(arguments)[1])


class _Shown:
    """Shows progress on standard error: one line that changes on a terminal, otherwise a line now and then."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._last, self._at = "", 0.0

    def tell(self, sentence: str) -> None:
        if sentence == self._last:
            return
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1  # a longer line would wrap, and stay
            print(f"\r\x1b[K{sentence[:width]}", end="", file=sys.stderr, flush=True)
            self._last = sentence
        elif time.monotonic() >= self._at + QUIET_SECONDS:
            print(sentence, file=sys.stderr, flush=True)
            self._at, self._last = time.monotonic(), sentence

    def end(self) -> None:
        if self._terminal and self._last:
            print(file=sys.stderr)
