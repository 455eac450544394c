"""The steps of `orchestrator/Dockerfile` without Docker: `python -m benchmarks.image_steps` (`make check-image`).

The instructions of the stages `build` and `job` are read from the file and done in a temporary folder that stands for `/`, with this
machine's Python for the base image. What cannot be done so is told: users, and the base image itself. At the end the image's command must
say how it is used (exit code 2), for it is given no run.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from json import loads
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
DOCKERFILE: Final = ROOT / "orchestrator" / "Dockerfile"
STAGES: Final = ("build", "job")
USAGE: Final = 2
EVERYTHING: Final = """\
from orchestrator import main, proposal_request, workflow
from orchestrator.proposal import Access
from shared.models import LlmProvider
for provider in LlmProvider:
    proposal_request.model_of(Access(provider, "any", "no key", None))
"""
"""What a run can load at its latest moment; beside the Dockerfile's steps, so that nothing is missed that was left out of the image."""


def instructions(text: str) -> Iterator[tuple[str, str, str]]:
    """Stage, instruction and its arguments, line by line; comments left out and continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    stage = ""
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stage = rest.partition(" AS ")[2]
        yield stage, word, rest


class Image:
    """A folder in the place of an image's file system.

    Args:
        root: an empty folder.
        path: where the base image's programs are.
    """

    def __init__(self, root: Path, path: str) -> None:
        self._root = root
        self._workdir = root
        self._environment = {"PATH": path, "HOME": os.environ.get("HOME", "/")}
        self._shipped: list[Path] = []

    def do(self, word: str, rest: str) -> None:
        """Do one instruction.

        Raises:
            SystemExit: it failed, or is not known here.
        """
        started = time.monotonic()
        if word == "ENV":
            for pair in shlex.split(rest):
                name, _, value = pair.partition("=")
                self._environment[name] = self._inside(value).replace("$PATH", self._environment["PATH"])
        elif word == "WORKDIR":
            self._workdir = Path(self._inside(rest))
            self._workdir.mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            self._copy(rest)
        elif word == "RUN" and not rest.startswith("useradd "):
            done = self._run(self._inside(rest))
            if done.returncode:
                sys.exit(f"RUN {rest}\nended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
        elif word == "CMD":
            done = self._run(shlex.join(loads(rest)))
            if done.returncode != USAGE or "RUN_ID must" not in done.stderr:
                sys.exit(f"CMD {rest} ended with {done.returncode}, not with usage:\n{done.stderr[-3000:]}")
        elif word in {"RUN", "USER", "FROM"}:
            print(f"  not done: {word} {rest}")
            return
        else:
            sys.exit(f"{word} is not known here")
        print(f"  {time.monotonic() - started:6.1f} s  {word} {rest}", flush=True)

    def sizes(self) -> dict[str, float]:
        """MB of what the last stage takes from the one before."""
        return {
            f"/{path.relative_to(self._root)}": sum(
                file.lstat().st_size for file in path.rglob("*") if not file.is_dir() or file.is_symlink()
            )
            / 1e6
            for path in self._shipped
        }

    def _copy(self, rest: str) -> None:
        *options, source, target = rest.split()
        if any(option.startswith("--from=") for option in options):
            path = Path(self._inside(source))
            if source != target or not path.exists():
                sys.exit(f"COPY {rest}: {source} is not there, or not at the same place")
            self._shipped.append(path)
            return
        place = Path(self._inside(target)) if target.startswith("/") else self._workdir / target
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, place)

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self._workdir,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def _inside(self, text: str) -> str:
        """The same with the image's folders below the temporary one."""
        return re.sub(r"(?<![\w./-])/(opt|app|tmp)(?![\w-])", rf"{self._root}/\1", text)


def main() -> None:
    """Take the steps, and tell what they took."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="image-") as folder:
        # The base image's `python` and `pip`, which are what the build begins with.
        base = Path(folder) / "base"
        subprocess.run([sys.executable, "-m", "venv", base], check=True)
        root = Path(folder) / "image"
        root.mkdir()
        image = Image(root, f"{base}/bin:{os.environ['PATH']}")
        for stage, word, rest in instructions(DOCKERFILE.read_text()):
            if stage in STAGES:
                image.do(word, rest)
        image.do("RUN", shlex.join(["python", "-c", EVERYTHING]))
        for path, size in image.sizes().items():
            print(f"  {size:6.0f} MB {path}")
        print(
            f"the image adds {sum(image.sizes().values()):.0f} MB to its base; {time.monotonic() - started:.0f} s in all"
        )


if __name__ == "__main__":
    main()
