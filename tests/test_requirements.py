"""The locked requirements are pinned with hashes, fit together, and have permissive licenses. `make audit` finds vulnerabilities."""

import re
import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
DEPLOYED = ("requirements.txt", "orchestrator/requirements.txt", "orchestrator/requirements-llm.txt")
OTHERS = ("requirements-uv.txt", "orchestrator/requirements-stack.txt", "tools/requirements-load.txt")
FILES = (*DEPLOYED, "requirements-dev.txt", *OTHERS)
PYTHONS = ("3.11", "3.12", "3.13")

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
# The Mozilla Public License covers changes to its own files only, and this project changes none.
BY_FILE = {"MPL"}
# Names of licenses other than their SPDX identifiers.
NAMES = {
    r"apache(-2\.0| software license)?": "Apache-2.0",
    r"((new|3-clause) )?bsd([- ][23][- ]clause)?( license)?": "BSD",
    r"mit license": "MIT",
    r"isc license.*": "ISC",
    r"(mpl|mozilla public license).*": "MPL",
    r"(psf-2\.0|python software foundation license)": "PSF",
}
# Licenses that a package states only in its license text.
UNSTATED = {"axe-playwright-python": "MIT"}


def lines(file: str) -> list[str]:
    """Return the requirements of a file with their hashes, one per line."""
    text = re.sub(r"#.*", "", (ROOT / file).read_text()).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip()]


def requirements(file: str) -> list[Requirement]:
    """Return the requirements of a file."""
    return [Requirement(line.partition(" --hash")[0].strip()) for line in lines(file)]


def licenses(package: Distribution) -> set[str]:
    """Return the licenses that a package states, by their usual short names."""
    about = package.metadata
    classifiers = [
        name
        for line in about.get_all("Classifier", [])
        if line.startswith("License ::")
        and (name := line.rpartition(" :: ")[2]) not in {"OSI Approved", "DFSG approved"}
    ]
    expression, text = (about.get_all(key, [""])[0].partition("\n")[0] for key in ("License-Expression", "License"))
    stated = expression or " AND ".join(classifiers) or text or UNSTATED.get(about["Name"], "nothing")
    named = set()
    for part in re.split(r" AND | OR | WITH ", stated.strip("()")):
        found = (short for name, short in NAMES.items() if re.fullmatch(name, part.strip("() ").lower()))
        named.add(next(found, part.strip("() ")))
    return named


def test_every_lock_file_is_tested() -> None:
    found = [*ROOT.glob("requirements*.txt"), *ROOT.glob("[!.]*/requirements*.txt")]
    assert {path.relative_to(ROOT).as_posix() for path in found} - {"mutants/requirements.txt"} == set(FILES)


@pytest.mark.parametrize("file", FILES)
def test_every_requirement_is_one_version_with_hashes(file: str) -> None:
    assert lines(file)
    for line in lines(file):  # an option such as `--index-url` has no hash
        assert re.search(r" --hash=sha256:[0-9a-f]{64}\b", line), line
    for wanted in requirements(file):
        assert wanted.url is None, wanted
        assert [each.operator for each in wanted.specifier] == ["=="], wanted
        assert "*" not in str(wanted.specifier), wanted


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("version", PYTHONS)
def test_the_lock_has_one_version_of_each_package_for_each_python(file: str, version: str) -> None:
    environment = {"python_version": version, "python_full_version": f"{version}.0"}
    installed = [each.name for each in requirements(file) if each.marker is None or each.marker.evaluate(environment)]
    assert sorted(installed) == sorted(set(installed))


def test_all_files_but_the_stack_have_the_same_versions() -> None:
    development = {str(each) for each in requirements("requirements-dev.txt")}
    for file in (*DEPLOYED, "requirements-uv.txt"):
        assert {str(each) for each in requirements(file)} <= development


def test_deployed_functions_have_no_aiohttp() -> None:
    # With aiohttp installed, google.cloud.batch_v1 takes 236 ms longer to import.
    assert "aiohttp" not in {each.name for each in requirements("requirements.txt")}


def test_the_job_has_no_compilers_and_no_plots() -> None:
    # 445 MB, which decoupler alone would bring back (docs/adr/0007-own-enrichment-test.md).
    packages = {each.name for each in requirements("orchestrator/requirements.txt")}
    assert not packages & {"decoupler", "llvmlite", "matplotlib", "numba", "pyarrow", "scanpy", "scikit-learn"}


def test_the_installed_packages_fit_together() -> None:
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_every_license_permits_use_and_redistribution() -> None:
    for wanted in requirements("requirements-dev.txt"):
        if wanted.marker is None or wanted.marker.evaluate():
            stated = licenses(distribution(wanted.name))
            assert stated <= PERMISSIVE | BY_FILE, f"{wanted.name}: {stated}"


def test_an_unknown_license_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "METADATA").write_text(
        "Name: a\nVersion: 1\nLicense-Expression: MIT AND (GPL-3.0-only OR Apache-2.0)\n"
    )
    assert licenses(Distribution.at(tmp_path)) - PERMISSIVE == {"GPL-3.0-only"}
    (tmp_path / "METADATA").write_text("Name: a\nVersion: 1\nClassifier: License :: OSI Approved\n")
    assert not licenses(Distribution.at(tmp_path)) <= PERMISSIVE
