"""Stage the sources of one function: its `main.py`, `shared/`, `requirements.txt`, a `Procfile`; for `web`, its pages.

Staging is reproducible to the byte, dates included, so that a function is deployed again only after a change.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from deploy.target import START_COMMAND
from shared.routes import FUNCTIONS, PAGES

ROOT: Final = Path(__file__).resolve().parent.parent
# Source and data files of `shared/`; READMEs, caches and editor files stay out.
SUFFIXES: Final = frozenset({".py", ".tsv", ".txt", ".json"})
# The documentation of the API, which `web` serves beside the front end.
REFERENCE: Final = ("openapi.yaml", "reference.html")
# 1980-01-01, the earliest date in a zip archive, for every file: equal sources make equal archives.
DATE: Final = 315_532_800


def stage(function: str, into: Path, frontend: Path | None = None) -> Path:
    """Stage a function's sources and return their folder, for `gcloud run deploy --source`.

    Args:
        function: name in the route table.
        into: folder of all staged functions; an earlier stage of this function is removed.
        frontend: folder of a front end of one's own for `web`; None: the built-in page.

    Raises:
        ValueError: if the function does not exist.
    """
    if function not in FUNCTIONS:
        raise ValueError(f"There is no function {function!r}. Functions: {', '.join(FUNCTIONS)}.")
    folder = into / function
    if folder.exists():
        shutil.rmtree(folder)
    _write(folder / "Procfile", f"web: {START_COMMAND}\n".encode())
    _write(folder / "main.py", (ROOT / "functions" / function / "main.py").read_bytes())
    _write(folder / "requirements.txt", (ROOT / "requirements.txt").read_bytes())
    for path in _source_files(ROOT / "shared"):
        _write(folder / path.relative_to(ROOT), path.read_bytes())
    if function == PAGES.function:
        pages = ROOT / "web" if frontend is None else frontend
        for path in _visible_files(pages):
            _write(folder / "web" / path.relative_to(pages), path.read_bytes())
        for name in REFERENCE:
            _write(folder / "docs" / name, (ROOT / "docs" / name).read_bytes())
    return folder


def content_hash(folder: Path) -> str:
    """Return a digest of every file's relative path and content."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            for part in (path.relative_to(folder).as_posix().encode(), path.read_bytes()):
                digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _source_files(package: Path) -> Iterator[Path]:
    return (path for path in _visible_files(package) if path.suffix in SUFFIXES)


def _visible_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") and part != ".well-known" for part in parts):
            yield path


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o644)
    os.utime(path, (DATE, DATE))
