"""The generated files are those of the tables, and contain templates only where a variable decides."""

import json
import re
from pathlib import Path

import pytest

from deploy.target import SPECS
from deploy.terraform import generator
from shared.settings import DEFAULT_QUEUE_MINUTES, LLM_KEYS


def test_the_default_of_the_queue_limit_is_that_of_the_service() -> None:
    text = (generator.FOLDER / "variables.tf").read_text()
    assert f"default     = {DEFAULT_QUEUE_MINUTES}\n" in text


def test_the_committed_files_are_generated_from_the_tables() -> None:
    committed = {path.name: path.read_text() for path in generator.FOLDER.glob("*.tf.json")}
    assert committed == generator.files(), "run: python -m deploy.terraform"


def test_the_tables_have_every_function_and_every_language_model() -> None:
    tables = json.loads(generator.files()["tables.tf.json"])["locals"]
    assert list(tables["functions"]) == list(SPECS)
    assert list(tables["llm"]) == list(LLM_KEYS)


def test_every_template_refers_to_what_the_module_defines() -> None:
    text = "".join(generator.files().values())
    written = "".join(path.read_text() for path in generator.FOLDER.glob("*.tf"))
    for name in set(re.findall(r"var\.(\w+)", text)):
        assert f'variable "{name}"' in written
    defined = set(re.findall(r"^  (\w+) += ", written, re.MULTILINE)) | set(
        json.loads(generator.files()["tables.tf.json"])["locals"]
    )
    assert set(re.findall(r"local\.(\w+)", text)) <= defined


@pytest.mark.parametrize("name", sorted(generator.files()))
def test_nothing_of_a_real_target_is_left_in_a_file(name: str) -> None:
    text = generator.files()[name]
    assert str(Path.cwd()) not in text
    # Both environments share the bucket of sources.
    assert "haystack-" not in text.replace("services/haystack-", "")


def test_the_readme_is_short_and_names_what_exists() -> None:
    text = (generator.FOLDER / "README.md").read_text()
    assert len(text.split()) <= 250
    (resource,) = re.findall(r"-target=terraform_data\.(\w+)", text)
    assert f'resource "terraform_data" "{resource}"' in (generator.FOLDER / "functions.tf").read_text()
    for name in ("example.tfvars", "outputs.tf"):
        assert (generator.FOLDER / name).is_file()
