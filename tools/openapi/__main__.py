"""Write `docs/openapi.yaml`: `python -m tools.openapi [--check]`."""

from tools import generate
from tools.openapi.document import FILE, as_yaml

if __name__ == "__main__":
    generate(__doc__, {FILE: as_yaml}, make_target="openapi")
