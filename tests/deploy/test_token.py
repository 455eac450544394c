"""`deploy/token.sh` lets the account sign a token for Identity-Aware Proxy, and leaves no files."""

import json
import os
import subprocess
import time
from pathlib import Path

SCRIPT = Path(__file__).parent.parent.parent / "deploy" / "token.sh"
ACCOUNT = "asker@some-project.iam.gserviceaccount.com"
SIGNS = """#!/bin/sh
[ "$1 $2 $3" = "iam service-accounts sign-jwt" ] && [ "$6" = "--iam-account=ASKER" ] || exit 3
echo "signed jwt" >&1
cp "$4" "$5"
"""


def ask(tmp_path: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a fake gcloud, which copies the claims instead of signing them."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "scratch").mkdir()
    (tmp_path / "bin" / "gcloud").write_text(program.replace("ASKER", ACCOUNT))
    (tmp_path / "bin" / "gcloud").chmod(0o755)
    env = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "TMPDIR": str(tmp_path / "scratch")}
    return subprocess.run([str(SCRIPT), *arguments], env=env, capture_output=True, text=True, check=False, timeout=20)


def test_the_claims_are_the_account_and_the_domain_for_an_hour(tmp_path: Path) -> None:
    done = ask(tmp_path, SIGNS, ACCOUNT, "haystack.example.org")
    assert done.returncode == 0, done.stderr
    claims = json.loads(done.stdout)
    assert (claims["iss"], claims["sub"], claims["aud"]) == (ACCOUNT, ACCOUNT, "https://haystack.example.org/*")
    assert abs(claims["iat"] - time.time()) < 60
    assert claims["exp"] - claims["iat"] == 3600
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_refusal_of_gcloud_is_the_scripts_own(tmp_path: Path) -> None:
    done = ask(tmp_path, "#!/bin/sh\necho no >&2\nexit 7\n", ACCOUNT, "haystack.example.org")
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "no\n")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_it_asks_for_what_is_missing(tmp_path: Path) -> None:
    done = ask(tmp_path, SIGNS, ACCOUNT)
    assert done.returncode != 0
    assert "missing argument: DOMAIN" in done.stderr
