"""What is installed is pinned, fits together, and may be used. Whether it has known holes needs the network: `make audit`."""

import re
import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
DEPLOYED = ("requirements.txt", "orchestrator/requirements.txt")
FILES = (*DEPLOYED, "requirements-dev.txt", "orchestrator/requirements-stack.txt")

PERMISSIVE = {
    "0BSD",
    "Apache-2.0",
    "BSD",
    "CC0-1.0",
    "CNRI-Python",
    "ISC",
    "LLVM-exception",
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "PSF",
    "Zlib",
}
BY_FILE = {"MPL"}
"""The Mozilla Public License asks for the changes to its own files, of which there are none here."""
NAMES = {
    r"apache(-2\.0| software license)?": "Apache-2.0",
    r"((new|3-clause) )?bsd([- ][23][- ]clause)?( license)?": "BSD",
    r"mit license": "MIT",
    r"isc license.*": "ISC",
    r"(mpl|mozilla public license).*": "MPL",
    r"(psf-2\.0|python software foundation license)": "PSF",
}
"""How licences are called beside their SPDX identifiers."""
UNSAID = {"axe-playwright-python": "MIT"}
"""Licences that a package tells by their text alone."""


def requirements(file: str) -> list[str]:
    """The requirements of a file, without comments and hashes, each on its line."""
    text = re.sub(r"#.*", "", (ROOT / file).read_text()).replace("\\\n", " ")
    return [line.partition(" --hash")[0].strip() for line in text.splitlines() if line.strip()]


def licences(package: Distribution) -> set[str]:
    """The licences that a package names, by their usual short names."""
    about = package.metadata
    classifiers = [
        name
        for line in about.get_all("Classifier", [])
        if line.startswith("License ::")
        and (name := line.rpartition(" :: ")[2]) not in {"OSI Approved", "DFSG approved"}
    ]
    expression, text = (about.get_all(key, [""])[0].partition("\n")[0] for key in ("License-Expression", "License"))
    told = expression or " AND ".join(classifiers) or text or UNSAID.get(about["Name"], "nothing")
    named = set()
    for part in re.split(r" AND | OR | WITH ", told.strip("()")):
        found = (short for name, short in NAMES.items() if re.fullmatch(name, part.strip("() ").lower()))
        named.add(next(found, part.strip("() ")))
    return named


@pytest.mark.parametrize("file", FILES)
def test_every_requirement_is_one_version(file: str) -> None:
    listed = requirements(file)
    assert len(listed) > 40
    for line in listed:
        wanted = Requirement(line)  # an option such as `--index-url`, or an address, is none
        assert wanted.url is None, line
        assert [each.operator for each in wanted.specifier] == ["=="], line
        assert "*" not in str(wanted.specifier), line


def test_one_version_for_all_but_the_stack() -> None:
    development = set(requirements("requirements-dev.txt"))
    for file in DEPLOYED:
        assert set(requirements(file)) <= development


def test_what_is_installed_fits_together() -> None:
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_every_licence_is_one_that_lets_us_use_and_hand_on() -> None:
    for line in requirements("requirements-dev.txt"):
        name = Requirement(line).name
        told = licences(distribution(name))
        assert told <= PERMISSIVE | BY_FILE, f"{name}: {told}"


def test_an_unknown_licence_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "METADATA").write_text(
        "Name: a\nVersion: 1\nLicense-Expression: MIT AND (GPL-3.0-only OR Apache-2.0)\n"
    )
    assert licences(Distribution.at(tmp_path)) - PERMISSIVE == {"GPL-3.0-only"}
    (tmp_path / "METADATA").write_text("Name: a\nVersion: 1\nClassifier: License :: OSI Approved\n")
    assert not licences(Distribution.at(tmp_path)) <= PERMISSIVE
