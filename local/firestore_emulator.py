"""The Firestore emulator: Java runs gcloud's jar directly, because the gcloud wrapper would orphan it."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.processes import ServerProcess

MAIN_CLASS: Final = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
JAR_BELOW_SDK: Final = Path("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
HEAP: Final = "512m"


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


class FirestoreEmulator(ServerProcess):
    """A Firestore emulator with its data in memory."""

    def __init__(self, installation: Installation, log: Path) -> None:
        java = [str(installation.java), f"-Xmx{HEAP}", "-cp", str(installation.jar), MAIN_CLASS, "start"]
        super().__init__(
            "the Firestore emulator",
            lambda port: [*java, "--host", "127.0.0.1", "--port", str(port)],
            ready_path="/",
            ready_seconds=30.0,
            log=log,
        )
