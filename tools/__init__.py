"""Programs for developers: the OpenAPI document, derived data files and benchmarks. No other package imports them.

`generate` is the command line of the programs that write committed files.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent


def generate(description: str | None, files: Mapping[Path, Callable[[], str]], *, make_target: str) -> None:
    """Write the files whose generated content is not current, or exit with 1 if `--check` finds one.

    The files are generated in order, each after the previous one is written: later files may depend on earlier ones.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is not current")
    check, stale = parser.parse_args().check, 0
    for path, content_of in files.items():
        name, content = path.relative_to(ROOT), content_of()
        if path.exists() and path.read_text(encoding="utf-8") == content:
            continue
        stale += 1
        if check:
            print(f"{name} is not current: run `make {make_target}`", file=sys.stderr)
        else:
            path.write_text(content, encoding="utf-8")
            print(f"wrote {name}")
    sys.exit(1 if check and stale else 0)
