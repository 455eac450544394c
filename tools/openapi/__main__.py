"""Write `docs/openapi.yaml` and `docs/reference.html`: `python -m tools.openapi [--check]`."""

from tools import generate
from tools.openapi import document, reference

if __name__ == "__main__":
    generate(__doc__, {document.FILE: document.as_yaml, reference.FILE: reference.as_html}, make_target="openapi")
