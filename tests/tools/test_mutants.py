"""The count of changes that no test notices."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_only_mutants_that_were_run_are_counted(tmp_path: Path) -> None:
    found: dict[str, list[int | None]] = {"a": [0, 1, 33, 36, None], "b": [None, None], "c": [1]}
    folder = tmp_path / "mutants" / "shared"
    folder.mkdir(parents=True)
    for module, codes in found.items():
        by_name = {f"{module}.{number}": code for number, code in enumerate(codes)}
        (folder / f"{module}.py.meta").write_text(json.dumps({"exit_code_by_key": by_name}))
    command = [sys.executable, "-m", "tools.mutants", "--count"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["shared/a", "2", "of", "4", "unnoticed", "(50.0%)"],
        ["shared/c", "0", "of", "1", "unnoticed", "(0.0%)"],
        ["all", "2", "of", "5", "unnoticed", "(40.0%)"],
    ]
