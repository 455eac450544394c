"""The Terraform module, planned by the real Terraform with the provider of the tests."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.conftest import NUMBER, PROJECT, ROOT
from tests.deploy.terraform.provider import serving


@dataclass(frozen=True)
class Terraform:
    """Terraform in a copy of the module, whose state is a local file.

    Attributes:
        module: folder of the copy.
        environment: environment of each command.
    """

    module: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the module."""
        command = ["terraform", f"-chdir={self.module}", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def plan(self, *, only: str = "", **variables: object) -> subprocess.CompletedProcess[str]:
        """Plan the module with these variables, into the file `plan`.

        Args:
            only: resource to plan, with those that it needs; empty: all.
            variables: variables of the module.
        """
        path = self.module / "test.auto.tfvars.json"
        path.write_text(json.dumps({"project": PROJECT, **variables}))
        target = [f"-target={only}"] if only else []
        return self.run("plan", "-input=false", "-no-color", "-out=plan", *target)

    def planned(self) -> dict[str, Any]:
        """Return the planned values."""
        shown = self.run("show", "-json", "plan")
        assert shown.returncode == 0, shown.stderr
        values: dict[str, Any] = json.loads(shown.stdout)["planned_values"]
        return values


@pytest.fixture(scope="session")
def binary() -> str:
    """Return the path of Terraform; if it is missing, skip locally and fail in CI."""
    found = shutil.which("terraform")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs terraform")
        pytest.skip("terraform is not installed")
    return found


@pytest.fixture(scope="session")
def terraform(binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    """Return an initialized copy of the module."""
    assert binary
    root = tmp_path_factory.mktemp("terraform")
    module = root / "deploy" / "terraform"
    module.mkdir(parents=True)
    for path in (ROOT / "deploy" / "terraform").glob("*.tf*"):
        shutil.copy2(path, module)
    for path in module.glob("*.tfvars*"):
        path.unlink()
    shutil.copy2(ROOT / "firestore.indexes.json", root)
    (module / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    with serving(PROJECT, NUMBER) as provider:
        copy = Terraform(module, {**inherited, **provider, "CHECKPOINT_DISABLE": "1"})
        started = copy.run("init", "-input=false", "-no-color")
        assert started.returncode == 0, started.stderr
        yield copy
