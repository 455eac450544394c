"""The Firestore emulator: Java runs gcloud's jar directly, because the gcloud wrapper would orphan it."""

import os
import shutil
from pathlib import Path
from typing import Final, NamedTuple

from local.processes import ServerProcess

MAIN_CLASS: Final = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
JAR_BELOW_SDK: Final = Path("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
HEAP: Final = "512m"


class Installation(NamedTuple):
    """The programs that run the emulator: the Java runtime and gcloud's jar."""

    java: Path
    jar: Path


def find() -> Installation | str:
    """Return the installed emulator, or a sentence that says what is missing.

    The jar is that of `FIRESTORE_EMULATOR_JAR`, or of the Google Cloud SDK whose `gcloud` is on the PATH.
    """
    java, gcloud = shutil.which("java"), shutil.which("gcloud")
    if java is None:
        return "Java is not on the PATH; install Java 17 or newer"
    if given := os.environ.get("FIRESTORE_EMULATOR_JAR"):
        jars, missing = [Path(given)], "FIRESTORE_EMULATOR_JAR does not name a file"
    elif gcloud is None:
        return "gcloud, whose SDK contains the emulator, is not on the PATH"
    else:
        sdk = Path(gcloud).resolve().parent.parent
        roots = (sdk, sdk / "lib" / "google-cloud-sdk", Path("/usr/lib/google-cloud-sdk"))
        jars = [root / JAR_BELOW_SDK for root in roots]
        missing = "gcloud has no Firestore emulator; run `gcloud components install cloud-firestore-emulator`"
    for jar in jars:
        if jar.is_file():
            return Installation(Path(java), jar)
    return missing


class FirestoreEmulator(ServerProcess):
    """A Firestore emulator with its data in memory.

    Args:
        heap: the most memory that its data may take, as Java writes it.
    """

    def __init__(self, installed: Installation, log: Path, heap: str = HEAP) -> None:
        command = [str(installed.java), f"-Xmx{heap}", "-cp", str(installed.jar), MAIN_CLASS, "start"]
        super().__init__(
            "the Firestore emulator",
            lambda port: [*command, "--host", "127.0.0.1", "--port", str(port)],
            ready_path="/",
            ready_seconds=60.0,
            log=log,
        )
