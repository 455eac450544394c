"""What a cold start pays where Python finds no bytecode: `python -m benchmarks.bytecode`.

A staged `status` function is imported, with the Firestore adapter that its first request brings in, by fresh processes that find the
bytecode of everything, of the installed packages only, or of nothing. Processor time is told, which a busy machine changes least.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from deploy import staging

ROUNDS: Final = 5
PROGRAM: Final = """
import time
started = time.process_time()
import functions_framework.aio
functions_framework.aio.create_asgi_app("handle", "main.py", "http")
import shared.store.firestore_database, shared.wiring
print((time.process_time() - started) * 1000)
"""


def main() -> None:
    """Print the medians."""
    with tempfile.TemporaryDirectory() as scratch:
        bare, compiled = (staging.stage("status", Path(scratch, name)) for name in ("bare", "compiled"))
        subprocess.run([sys.executable, "-m", "compileall", "-q", str(compiled)], check=True)
        cases: dict[str, tuple[Path, tuple[str, ...]]] = {
            "everything": (compiled, ()),
            "the installed packages only": (bare, ()),
            "nothing": (bare, ("-X", f"pycache_prefix={scratch}/empty")),
        }
        rounds = [
            {name: milliseconds(folder, *options) for name, (folder, options) in cases.items()} for _ in range(ROUNDS)
        ]
    for name in cases:
        print(f"bytecode of {name:28} {statistics.median(each[name] for each in rounds):6.0f} ms")


def milliseconds(folder: Path, *options: str) -> float:
    """Processor time of one fresh process that writes no bytecode itself."""
    command = [sys.executable, "-B", "-P", *options, "-c", f"import sys; sys.path.insert(0, '.'){PROGRAM}"]
    return float(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
