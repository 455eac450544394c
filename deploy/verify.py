"""`./deploy.sh verify`: ask a service one question and follow it to its files, each with its checksum.

Against a deployed service or a local one. Each step is printed with the time since the start; the first failure ends the test and
says where to look.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO
from uuid import uuid4

from deploy import crc32c, question
from deploy.caller import Caller, NoToken, Response, Unreachable, explain

HEALTH: Final = "/api/v1/health"
READY: Final = "/api/v1/health/ready"
RUNS: Final = "/api/v1/runs"
# The service holds a status request for this long, until the run changes.
WAIT_SECONDS: Final = 20
TRANSIENT: Final = frozenset({429, 502, 503, 504})
ATTEMPTS: Final = 4
LONGEST_PAUSE: Final = 10.0
# One iteration is enough to pass through every part.
OPTIONS: Final = {"max_iterations": 1, "random_seed": 1}


class Failed(Exception):
    """A step failed; the message says why and where to look."""


@dataclass(frozen=True)
class Place:
    """Where to look when something fails.

    Attributes:
        project: project of a deployed service; empty: a local one.
        doctor: the command that examines the service; empty: a local one.
    """

    project: str = ""
    doctor: str = ""

    def of_service(self) -> str:
        """Return where to look when the service does not answer."""
        if not self.project:
            return "Start the local service with `make up`, and compare its address with --url."
        return f"This command finds the cause: {self.doctor}"

    def of_run(self, run_id: str, attempt: int) -> str:
        """Return where to look when a run fails or is stuck."""
        job = f"haystack-{run_id.removeprefix('run_')}-{attempt}"
        if not self.project:
            return (
                f"The log of its job is {job}.log in the folder jobs of the local service's data (.local by default)."
            )
        return (
            "See `When a run is stuck` in docs/deploy.md, and its logs:\n"
            f"""$ gcloud logging read 'jsonPayload.run_id="{run_id}" OR textPayload:"{run_id}"' """
            f"--project={self.project} --freshness=1d --order=asc\n"
            f"$ gcloud batch jobs list --project={self.project} --filter=name~{job}"
        )

    def without_atlas(self) -> str:
        """Return what to do if the service has no atlas."""
        if not self.project:
            return "Ingest one: `make atlas` ingests the demo atlas, `python -m local ingest` your own."
        return "Ingest one: see `From an empty project to the first run` in docs/deploy.md, or docs/operations.md for your own atlas."


class Verification:
    """One smoke test of one service.

    Args:
        caller: sends the requests.
        place: where to look.
        out: where steps are printed.
        seconds: how long the run may take.
        clock: seconds of a monotonic clock.
        pause: function that waits some seconds.
    """

    def __init__(
        self,
        caller: Caller,
        place: Place,
        out: TextIO,
        *,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._caller = caller
        self._place = place
        self._out = out
        self._seconds = seconds
        self._clock = clock
        self._pause = pause
        self._began = clock()

    def run(self, asked: str, keep: Path | None) -> int:
        """Run the test and return the exit code: 1 if a step failed.

        Args:
            asked: question to ask; empty: one that the service can answer.
            keep: folder for the files; None: they are deleted.
        """
        try:
            self._steps(asked, keep)
        except (Failed, Unreachable, NoToken) as error:
            self._say("FAIL", str(error) if isinstance(error, Failed) else f"{error}\n{self._place.of_service()}")
            return 1
        return 0

    def _steps(self, asked: str, keep: Path | None) -> None:
        self._ask("GET", HEALTH)
        self._ask("GET", READY)
        self._say("ok", f"{self._caller.url} answers, and reaches its database.")
        asked = asked or self._question()
        run_id = self._create(asked)
        self._follow(run_id)
        with _folder(keep) as folder:
            self._files(run_id, folder)
        self._say("ok", f"The service works: one question, from {self._caller.url} to its files.")

    def _question(self) -> str:
        found = question.answerable(self._ask)
        if found is None:
            raise Failed(f"The service has no atlas that could answer a question. {self._place.without_atlas()}")
        self._say("ok", f"The metadata name a question that can be answered: {found}")
        return found

    def _create(self, asked: str) -> str:
        # With the key, a repeated request starts no second run.
        run = self._ask("POST", RUNS, body={"query": asked, **OPTIONS}, headers={"Idempotency-Key": uuid4().hex})
        self._say("ok", f"The run {run['run_id']} is created.")
        return str(run["run_id"])

    def _follow(self, run_id: str) -> None:
        """Follow a run until it is completed; cancel it if that fails, so that it costs nothing more."""
        try:
            run = self._until_done(run_id)
        except BaseException:  # also when a person stops this program
            self._cancel(run_id)
            raise
        if run["status"] != "completed":
            failure = run.get("failure") or {}
            why = " ".join(filter(None, (failure.get("reason"), run.get("error_message"), failure.get("advice"))))
            raise Failed(f"The run is {run['status']}. {why}\n{self._place.of_run(run_id, run['attempt'])}")

    def _until_done(self, run_id: str) -> dict[str, Any]:
        """Return the run as soon as it is done."""
        deadline, tag, shown = self._clock() + self._seconds, "", ""
        run: dict[str, Any] = {}
        while True:
            query = {"wait": WAIT_SECONDS if tag else 0}
            headers = {"If-None-Match": tag} if tag else {}
            response = self._send("GET", f"{RUNS}/{run_id}", query=query, headers=headers, timeout=WAIT_SECONDS + 30.0)
            tag = response.headers.get("etag", "")
            if response.status == 200:
                run = self._object(response, f"GET {RUNS}/{run_id}")
                state = ", ".join(filter(None, (run["status"], run.get("current_phase") if not run["done"] else "")))
                if state != shown:
                    self._say("ok", f"The run is {state}.")
                    shown = state
                if run["done"]:
                    return run
            if self._clock() > deadline:
                where = self._place.of_run(run_id, run.get("attempt", 1))
                raise Failed(f"The run is not done after {self._seconds:.0f} s. {where}")
            if not tag or response.status != 304:
                self._pause(1.0)

    def _cancel(self, run_id: str) -> None:
        """Cancel the run, and say so."""
        try:
            response = self._caller.request("POST", f"{RUNS}/{run_id}/cancel")
        except (Unreachable, NoToken) as error:
            self._say("FAIL", f"{run_id} could not be cancelled: {error}")
            return
        if response.status == 200:
            self._say("ok", f"The run {run_id} was cancelled.")
        elif response.problem.get("code") != "run_already_finished":
            self._say("FAIL", f"{run_id} could not be cancelled: {explain(response)}")

    def _files(self, run_id: str, folder: Path) -> None:
        """Download each file of the result and check its size and checksum."""
        result = self._ask("GET", f"{RUNS}/{run_id}/result")
        files = result["files"]
        if not files:
            raise Failed(f"The result of {run_id} has no files. {self._place.of_run(run_id, 1)}")
        self._say("ok", f"The result has {len(files)} files. {result['answer']}")
        for file in files:
            # The name is checked, because it becomes the name of a local file.
            name = Path(str(file["name"])).name
            response = self._caller.download(file["url"])
            if response.status != 200:
                raise Failed(
                    f"{name} cannot be downloaded: the storage answers {response.status}. Signed URLs need "
                    f"roles/storage.objectViewer of the signer on the results bucket. {self._place.of_service()}"
                )
            size, found = len(response.content), crc32c.encoded(response.content)
            if size != file["size"] or found != file["crc32c"]:
                raise Failed(
                    f"{name} differs from the stored file: {size} bytes with CRC32C {found}, where the result says "
                    f"{file['size']} and {file['crc32c']}. Something between here and the storage changes downloads: try another network."
                )
            (folder / name).write_bytes(response.content)
            self._say("ok", f"{name}: {size:,} bytes, checksum verified.")

    def _ask(self, method: str, path: str, **options: Any) -> Any:  # noqa: ANN401  # passed on; JSON
        """Send a request and return the JSON of a successful response."""
        response = self._send(method, path, **options)
        if response.json is None:
            raise Failed(self._strange(f"{method} {path}"))
        return response.json

    def _object(self, response: Response, request: str) -> dict[str, Any]:
        """Return the JSON object of a response."""
        if not isinstance(response.json, dict):
            raise Failed(self._strange(request))
        return response.json

    def _strange(self, request: str) -> str:
        return (
            f"{request}: the server at {self._caller.url} does not answer like this service. {self._place.of_service()}"
        )

    def _send(self, method: str, path: str, **options: Any) -> Response:  # noqa: ANN401  # passed on
        """Send a request, again if the service is busy, and return a successful response or 304."""
        for attempt in range(1, ATTEMPTS + 1):
            response = self._caller.request(method, path, **options)
            again = response.status in TRANSIENT and response.problem.get("code") != "too_many_runs"
            if not again or attempt == ATTEMPTS:
                break
            after = response.headers.get("retry-after", "")
            self._pause(min(float(after) if after.isdecimal() else 2.0 * attempt, LONGEST_PAUSE))
        if response.status not in {200, 304}:
            more = "" if response.status == 422 else f"\n{self._place.of_service()}"
            raise Failed(f"{method} {path}: {explain(response)}{more}")
        return response

    def _say(self, level: str, text: str) -> None:
        first, *others = text.splitlines()
        print(f"{level:<4} {self._clock() - self._began:6.1f} s  {first}", file=self._out)
        for line in others:
            print(f"{'':<4} {'':6}    {line}", file=self._out)
        self._out.flush()


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    else:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
