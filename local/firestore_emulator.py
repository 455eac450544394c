"""The Firestore emulator: Java runs gcloud's jar directly, because the gcloud wrapper would orphan it."""

import asyncio
import os
import shutil
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
    """The paths of Java and of the emulator's jar."""

    java: Path
    jar: Path


def find() -> Installation | str:
    """Find the emulator, or return a sentence that says what is missing.

    The jar is that of `FIRESTORE_EMULATOR_JAR`, or of the Google Cloud SDK whose `gcloud` is on the PATH.
    """
    java = shutil.which("java")
    if java is None:
        return "Java is not on the PATH; install Java 17 or newer"
    if given := os.environ.get("FIRESTORE_EMULATOR_JAR"):
        return (
            Installation(Path(java), Path(given))
            if Path(given).is_file()
            else "FIRESTORE_EMULATOR_JAR does not name a file"
        )
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        return "gcloud, whose SDK contains the emulator, is not on the PATH"
    launcher = Path(gcloud).resolve()
    sdk = launcher.parent.parent
    for root in (sdk, sdk / "lib" / "google-cloud-sdk", Path("/usr/lib/google-cloud-sdk")):
        if (root / JAR_BELOW_SDK).is_file():
            return Installation(Path(java), root / JAR_BELOW_SDK)
    return "gcloud has no Firestore emulator; run `gcloud components install cloud-firestore-emulator`"


class FirestoreEmulator:
    """A Firestore emulator with its data in memory, at most `heap` in Java's notation."""

    def __init__(self, installation: Installation, log: Path, heap: str = "512m") -> None:
        self._installation = installation
        self._log = log
        self._heap = heap
        self._child: Child | None = None
        self.host = ""

    async def start(self) -> str:
        """Start it on a free port, wait until it answers, and return `host:port`.

        Raises:
            RuntimeError: it exited or was not ready in time; the message contains the end of its output.
        """
        port = free_port()
        self.host = f"127.0.0.1:{port}"
        java, jar = str(self._installation.java), str(self._installation.jar)
        command = [java, f"-Xmx{self._heap}", "-cp", jar, MAIN_CLASS, "start"]
        command += ["--host", "127.0.0.1", "--port", str(port)]
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
        raise RuntimeError(f"the Firestore emulator did not start:\n{self._child.tail()}")

    async def stop(self) -> None:
        """Stop it."""
        if self._child is not None:
            await self._child.stop()
