"""`deploy.sh` is short and strict, passes shellcheck, and explains invalid arguments."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "deploy.sh"
UP = ("--project=my-project-1", "--region=europe-west4", "--domain=haystack.example.org")


def run(*arguments: str, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def without_gcloud(folder: Path) -> str:
    """Return a PATH with what the script needs, but without gcloud."""
    for name in ("bash", "dirname", "env"):
        (folder / name).symlink_to(shutil.which(name) or "")
    return str(folder)


def test_the_script_is_short_and_strict() -> None:
    lines = SCRIPT.read_text().splitlines()
    assert len(lines) < 120
    assert "set -Eeuo pipefail" in lines


def test_shellcheck_has_nothing_to_say() -> None:
    # The wheel installs the program next to the interpreter, which is not always on the path.
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if shellcheck is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs shellcheck")
        pytest.skip("shellcheck is not installed")
    scripts = [SCRIPT, *sorted((ROOT / "deploy").glob("*.sh")), ROOT / ".ci" / "run"]
    checked = subprocess.run([shellcheck, *scripts], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("arguments", [(), ("--help",), ("deploy", "--help")])
def test_help_shows_the_options_without_any_tool(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    helped = run(*arguments, PATH=without_gcloud(tmp_path))
    assert helped.returncode == 0
    for option in ("--project", "--region", "--domain", "--env", "--production", "--only", "--dry-run", "--skip-image"):
        assert option in helped.stdout
    for option in ("--member", "--notify", "--origins", "--retention-days", "--queue-limit", "--llm-secrets"):
        assert option in helped.stdout
    for option in ("--build-region", "--network", "--subnet", "--no-external-ip", "--no-email-owners"):
        assert option in helped.stdout


def test_a_missing_gcloud_is_told(tmp_path: Path) -> None:
    refused = run(*UP, PATH=without_gcloud(tmp_path))
    assert refused.returncode == 2
    assert "gcloud is required" in refused.stderr


def test_verify_needs_no_gcloud_and_no_project(tmp_path: Path) -> None:
    refused = run("verify", "--url=http://127.0.0.1:9", PATH=without_gcloud(tmp_path))
    assert (refused.returncode, refused.stderr) == (1, "")
    assert "nothing listens there" in refused.stdout


def test_a_dry_run_needs_neither_gcloud_nor_access(tmp_path: Path) -> None:
    binaries = tmp_path / "bin"
    binaries.mkdir()
    printed = run(*UP, "--dry-run", f"--work-dir={tmp_path / 'work'}", PATH=without_gcloud(binaries))
    assert printed.returncode == 0, printed.stderr
    commands = [line for line in printed.stdout.splitlines() if not line.startswith("#")]
    assert len(commands) > 90
    assert all("gcloud " in command for command in commands)
    # Copied into a shell, each is one command.
    checked = subprocess.run(
        [shutil.which("bash") or "bash", "-n"], input="\n".join(commands), capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*UP, "--only=status,nope"), "there is no function 'nope'"),
        ((*UP, "--env=test"), "--env"),
        (("--project=my-project-1", "--region=europe-west4"), "--domain"),
        (("--project=My_Project", *UP[1:]), "is not a project id"),
        ((*UP[:2], "--domain=https://haystack.example.org"), "is not a host name"),
        ((*UP, "--dryrun"), "--dryrun"),
        ((*UP, "--origins=https://app.example.org/"), "is not an origin"),
        ((*UP, "--origins=http://app.example.org"), "is not an origin"),
        ((*UP, "--network=a/b"), "is not a network"),
        ((*UP, "--subnet=projects/p/x"), "is not a subnet"),
        ((*UP, "--network=lab"), "pass --network and --subnet together"),
        ((*UP, "--no-external-ip"), "Private Google Access"),
        ((*UP, "--build-region=nowhere"), "is not a region"),
        ((*UP, "--frontend=/nowhere"), "has no index.html"),
        ((*UP, "--notify=operators"), "is not an e-mail address"),
        ((*UP, "--member=bob"), "is not an IAM member"),
        ((*UP, "--retention-days=6"), "is not a number of days from 7 to 36500"),
        ((*UP, "--retention-days=99999999"), "is not a number of days from 7 to 36500"),
        ((*UP, "--queue-limit=2881"), "is not a number of minutes from 0 to 2880"),
        (("doctor", UP[0]), "--region"),
        (("doctor", *UP[:2], "--network=lab"), "pass --network and --subnet together"),
        (("verify",), "pass --project and --domain of a deployed service, or --url of a local one"),
        (("verify", UP[2]), "--domain needs --project"),
        (("verify", "--url=127.0.0.1:8080"), "is not an address"),
        (("verify", UP[0], UP[2], "--service-account=me"), "is not an e-mail address"),
        ((*UP, "--llm-secrets=anthropic,google"), "there is no language model 'google'"),
    ],
)
def test_a_wrong_argument_is_the_last_thing_that_a_user_sees(arguments: tuple[str, ...], message: str) -> None:
    refused = run(*arguments)
    assert refused.returncode == 2
    assert message in refused.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [
        (("python3", "python3.11", "python3.12", "python3.13"), "python3.13"),
        (("python3", "python3.11", "python3.12"), "python3.12"),
        (("python3", "python3.11"), "python3.11"),
        (("python3",), "python3"),
    ],
)
def test_the_newest_installed_python_is_used(installed: tuple[str, ...], chosen: str, tmp_path: Path) -> None:
    path = without_gcloud(tmp_path)
    for name in installed:  # each passes the version check and prints its own name instead of running the program
        (tmp_path / name).write_text(f'#!/bin/bash\n[[ "$1" == -c ]] || echo "ran {name}"\n')
        (tmp_path / name).chmod(0o755)
    assert run("--help", PATH=path, PYTHON="").stdout == f"ran {chosen}\n"


def test_a_missing_python_is_told(tmp_path: Path) -> None:
    refused = run("--help", PATH=without_gcloud(tmp_path), PYTHON="")
    assert refused.returncode == 2
    assert "Python 3.11, 3.12 or 3.13 is required" in refused.stderr


def test_it_works_from_any_folder(tmp_path: Path) -> None:
    assert run("--help", folder=tmp_path).returncode == 0


def test_nothing_is_needed_but_the_standard_library() -> None:
    imported = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); import deploy.__main__"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert imported.returncode == 0, imported.stderr
