"""Put together what one function is deployed from: its `main.py`, `shared/` and `requirements.txt`, nothing else.

Two stagings of the same sources are the same to the byte, dates included, so that a function is deployed again only when it changed.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from shared.routes import FUNCTIONS

ROOT: Final = Path(__file__).resolve().parent.parent
SUFFIXES: Final = frozenset({".py", ".tsv", ".txt", ".json"})
"""Of `shared/`, the program and its facts; not their READMEs, caches, or what an editor leaves behind."""
DATE: Final = 315_532_800
"""1980-01-01, the first day that a zip archive can tell: of all files, so that archives of equal files are equal."""


def stage(function: str, into: Path) -> Path:
    """Put a function's sources together.

    Args:
        function: its name in the route table.
        into: the folder of all staged functions; what was staged there for this one is removed first.

    Returns:
        The function's folder, which `gcloud run deploy --source` takes.

    Raises:
        ValueError: if there is no such function.
    """
    if function not in FUNCTIONS:
        raise ValueError(f"There is no function {function!r}. There are {', '.join(FUNCTIONS)}.")
    folder = into / function
    if folder.exists():
        shutil.rmtree(folder)
    _copy(ROOT / "functions" / function / "main.py", folder / "main.py")
    _copy(ROOT / "requirements.txt", folder / "requirements.txt")
    for path in _files(ROOT / "shared"):
        _copy(path, folder / path.relative_to(ROOT))
    return folder


def content_hash(folder: Path) -> str:
    """A digest of every file's path and content: equal only for equal folders, wherever they are."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            for part in (path.relative_to(folder).as_posix().encode(), path.read_bytes()):
                digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _files(package: Path) -> Iterator[Path]:
    for path in sorted(package.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(package).parts)
        if path.is_file() and path.suffix in SUFFIXES and not hidden:
            yield path


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o644)
    os.utime(target, (DATE, DATE))
