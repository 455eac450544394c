"""Load with every response checked: `python -m tools.benchmarks.load --users 20 --minutes 1`, or the same with `--faults`.

Without `--faults`, the service at `--url` is loaded; it must trust the e-mail header, like the local one. With `--faults`, local services
are started and disturbed, one for each run store, and a table for docs/operations.md is printed.
"""

import argparse
import asyncio
import sys

from tools.benchmarks.load import locusts


def main() -> int:
    """Run the load test, and return the exit code: 1 if any response was wrong, or a run was lost or doubled."""
    parser = argparse.ArgumentParser(prog="python -m tools.benchmarks.load")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="address of the service")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--faults", action="store_true", help="disturb local services instead of loading --url")
    options = parser.parse_args()
    if not options.faults:
        return locusts.run(options.url, options.users, options.minutes)
    from tools.benchmarks.load import faults  # noqa: PLC0415  # needs the packages of the service, which Locust's environment lacks

    return asyncio.run(faults.main(options.users, options.minutes))


if __name__ == "__main__":
    sys.exit(main())
