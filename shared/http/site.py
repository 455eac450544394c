"""Serve a front end from a folder of static files, found by the rules of a Next.js static export.

`/runs` is `runs`, `runs.html` or `runs/index.html`; an unknown path is `404.html` with the status 404. `frontend.json` in the folder, which
is not served, may set `content_security_policy` and `rewrites`: from a path, in which `*` is one segment, to the file that answers it.
"""

import asyncio
import json
import mimetypes
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from shared.http.problems import UnknownPath
from shared.http.responses import body_response

BUILT_IN: Final = Path(__file__).resolve().parents[2] / "web"
CONFIG: Final = "frontend.json"
STORAGE: Final = "https://storage.googleapis.com"
# For a front end of one's own: frameworks start with inline scripts. `{storage}` is the origin of the signed URLs.
DEFAULT_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' {storage}; frame-src 'self' {storage}; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
# Next.js names these files by their content. Signed-in people share nothing, so caches between them and the service do not keep it.
HASHED: Final = "_next/static/"
CACHE_HASHED: Final = "private, max-age=31536000, immutable"
CACHE: Final = "private, no-cache"  # ask each time; an unchanged file is a 304
# Python's table lacks these, and a deployed function has no table of the system.
MEDIA_TYPES: Final = {".woff2": "font/woff2", ".webmanifest": "application/manifest+json", ".map": "application/json"}


class Site:
    """A front end.

    Args:
        folder: its files.
        storage: origin of the signed URLs of results.

    Raises:
        ValueError: `frontend.json` is invalid.
    """

    def __init__(self, folder: Path, storage: str = STORAGE) -> None:
        self._files = StaticFiles(directory=folder, check_dir=False)
        policy, self._rewrites = _config(folder / CONFIG)
        self._policy = policy.replace("{storage}", storage)

    @classmethod
    def from_environment(cls) -> "Site":
        """Return the front end that `FRONTEND_DIR` names, by default the built-in page."""
        storage = os.environ.get("STORAGE_EMULATOR_HOST", STORAGE)
        return cls(Path(os.environ.get("FRONTEND_DIR") or BUILT_IN), storage)

    async def respond(self, request: Request) -> Response:
        """Return the file of a path, or the page for unknown paths.

        Raises:
            UnknownPath: neither exists.
        """
        path = request.scope["path"].strip("/")
        for name in self._names(path):
            if (found := await asyncio.to_thread(self._read, name)) is not None:
                headers = {"Cache-Control": CACHE_HASHED if name.startswith(HASHED) else CACHE}
                return self._response(request, name, found, headers)
        if (found := await asyncio.to_thread(self._read, "404.html")) is None:
            raise UnknownPath
        response = self._response(request, "404.html", found, {"Cache-Control": CACHE})
        response.status_code = 404
        return response

    def _response(self, request: Request, name: str, body: bytes, headers: Mapping[str, str]) -> Response:
        suffix = Path(name).suffix
        media_type = MEDIA_TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        # The ETag comes from the content: the files of a deployment all have the same date.
        return body_response(request, body, media_type, {**headers, "Content-Security-Policy": self._policy})

    def _names(self, path: str) -> Iterator[str]:
        """Yield the names of the files that may answer a path, the first that exists wins."""
        segments = path.split("/") if path else []
        if any(segment.startswith(".") and segment != ".well-known" for segment in segments) or path == CONFIG:
            return  # files of tools, and `..`
        if path:
            yield path
            yield f"{path}.html"
        yield f"{path}/index.html".removeprefix("/")
        for pattern, name in self._rewrites.items():
            wanted = pattern.strip("/").split("/")
            if len(wanted) == len(segments) and all(a in {"*", b} for a, b in zip(wanted, segments, strict=True)):
                yield name

    def _read(self, name: str) -> bytes | None:
        """Return the content of a file below the folder, or None."""
        try:
            path, status = self._files.lookup_path(name)
            return Path(path).read_bytes() if status is not None and stat.S_ISREG(status.st_mode) else None
        except (OSError, ValueError):  # a name that is too long, or that no file can have
            return None


def _config(path: Path) -> tuple[str, dict[str, str]]:
    if not path.is_file():
        return DEFAULT_POLICY, {}
    try:
        found = json.loads(path.read_bytes())
        policy, rewrites = found.get("content_security_policy", DEFAULT_POLICY), found.get("rewrites", {})
        texts = [policy, *rewrites, *rewrites.values()]
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is not valid: {error}") from error
    if not all(isinstance(text, str) and text.isprintable() for text in texts):
        raise ValueError(f"{path} is not valid: each value must be a string without line breaks")
    return policy, {pattern: name.lstrip("/") for pattern, name in rewrites.items()}
