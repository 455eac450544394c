"""The Firestore emulator: found where gcloud keeps its jar, run by Java directly (the gcloud wrapper would orphan it)."""

import asyncio
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from local import processes
from local.processes import Child, free_port

MAIN_CLASS: Final = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
JAR_BELOW_SDK: Final = Path("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
READY_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Installation:
    """Where Java and the emulator's jar are."""

    java: Path
    jar: Path


def find() -> Installation | str:
    """Where the emulator is, or a sentence that says what is missing.

    The jar is looked for in `FIRESTORE_EMULATOR_JAR`, then in the SDK that `gcloud` on the PATH belongs to.
    """
    java = shutil.which("java")
    if java is None:
        return "Java is not on the PATH"
    if given := os.environ.get("FIRESTORE_EMULATOR_JAR"):
        return (
            Installation(Path(java), Path(given)) if Path(given).is_file() else "FIRESTORE_EMULATOR_JAR names no file"
        )
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        return "gcloud, which brings the emulator's jar, is not on the PATH"
    launcher = Path(gcloud).resolve()
    roots = [
        launcher.parent.parent,
        launcher.parent.parent / "lib" / "google-cloud-sdk",
        Path("/usr/lib/google-cloud-sdk"),
    ]
    for root in roots:
        if (root / JAR_BELOW_SDK).is_file():
            return Installation(Path(java), root / JAR_BELOW_SDK)
    return "gcloud has no Firestore emulator (gcloud components install cloud-firestore-emulator)"


class FirestoreEmulator:
    """A running emulator; its data is in memory and ends with it.

    Args:
        installation: where it is.
        log: the file for its output.
        heap: the most memory that its data may take, as Java writes it.
        export: what `export` of an earlier one gave, to begin with its data.
    """

    def __init__(
        self, installation: Installation, log: Path, heap: str = "512m", *, export: Path | None = None
    ) -> None:
        self._installation = installation
        self._log = log
        self._heap = heap
        self._options = ["--import-data", str(export)] if export else []
        self._child: Child | None = None
        self.host = ""

    async def start(self) -> str:
        """Start it on a free port and wait until it answers.

        Returns:
            `host:port`.

        Raises:
            RuntimeError: it ended, or was not ready in time; with the end of its output.
        """
        port = free_port()
        self.host = f"127.0.0.1:{port}"
        java, jar = str(self._installation.java), str(self._installation.jar)
        command = [java, f"-Xmx{self._heap}", "-cp", jar, MAIN_CLASS, "start"]
        command += ["--host", "127.0.0.1", "--port", str(port), *self._options]
        self._child = await processes.start(command, log=self._log)
        deadline = time.monotonic() + READY_SECONDS
        async with httpx.AsyncClient(base_url=f"http://{self.host}", timeout=1.0, trust_env=False) as client:
            while self._child.running and time.monotonic() < deadline:
                try:
                    if (await client.get("/")).text.strip() == "Ok":
                        return self.host
                except httpx.TransportError:
                    pass  # not listening yet
                await asyncio.sleep(0.05)
        await self.stop()
        raise RuntimeError(f"the Firestore emulator did not get ready:\n{self._child.tail()}")

    async def export(self, project: str, folder: Path) -> Path:
        """Write a project's documents into a folder that is there, and give the file that another emulator can begin with."""
        name = f"projects/{project}"
        wanted = {"database": f"{name}/databases/(default)", "export_directory": str(folder), "export_name": "export"}
        async with httpx.AsyncClient(base_url=f"http://{self.host}", timeout=60.0, trust_env=False) as client:
            (await client.post(f"/emulator/v1/{name}:export", json=wanted)).raise_for_status()
        return folder / "export" / "export.overall_export_metadata"

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal: to freeze it, let it go on, or kill it."""
        assert self._child is not None, "it was not started"
        os.killpg(self._child.pid, number)

    async def stop(self) -> None:
        """End it."""
        if self._child is not None:
            await self._child.stop()
