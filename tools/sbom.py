"""Write software bills of materials in CycloneDX: `python -m tools.sbom [FOLDER]`.

One for the functions, which are built from the same packages, and one for each image of the job. Each lists what an
environment made of the lock file really contains, with versions and licenses; an image's also names its base image by digest.
What is not in them: the system packages of the base image (its digest identifies them), Google's buildpacks, and STACK.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from haystack_client import __version__

ROOT: Final = Path(__file__).resolve().parent.parent
DOCKERFILE: Final = ROOT / "orchestrator" / "Dockerfile"
BASE_IMAGE: Final = re.compile(
    r"^ARG PYTHON_IMAGE=(?P<name>[a-z/]+):(?P<tag>[\w.-]+)@sha256:(?P<digest>[0-9a-f]{64})$", re.MULTILINE
)


class Product(NamedTuple):
    """What a bill of materials describes.

    Attributes:
        name: name of the component and of the file.
        requirements: lock file, relative to the root of the repository.
        in_image: whether it is built on the base image of `orchestrator/Dockerfile`.
    """

    name: str
    requirements: str
    in_image: bool


PRODUCTS: Final = (
    Product("haystack-functions", "requirements.txt", in_image=False),
    Product("haystack-orchestrator", "orchestrator/requirements.txt", in_image=True),
    Product("haystack-orchestrator-llm", "orchestrator/requirements-llm.txt", in_image=True),
)


def bill_of_materials(product: Product) -> str:
    """Return the bill of materials of a product as CycloneDX 1.6 JSON, the same for the same lock file.

    Raises:
        subprocess.CalledProcessError: if the packages cannot be installed.
        ValueError: if the result is not valid CycloneDX, or the Dockerfile does not name its base image by digest.
    """
    with tempfile.TemporaryDirectory() as folder:
        # The version of the functions and of the image; another one resolves other packages.
        _uv("venv", "--quiet", "--python", "3.11", folder)
        _uv("pip", "sync", "--quiet", "--require-hashes", str(ROOT / product.requirements), environment=folder)
        options = ("--output-reproducible", "--spec-version", "1.6", "--no-validate")  # validated below, with the rest
        command = [sys.executable, "-m", "cyclonedx_py", "environment", *options, folder]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    content: dict[str, Any] = json.loads(listed)
    content["metadata"]["component"] = {
        "bom-ref": product.name,
        "type": "container" if product.in_image else "application",
        "name": product.name,
        "version": __version__,
    }
    if product.in_image:
        content["components"].append(_base_image(DOCKERFILE.read_text()))
    parts = [part["bom-ref"] for part in content["components"]]
    content["dependencies"].append({"ref": product.name, "dependsOn": sorted(parts)})
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"The bill of materials of {product.name} is not valid CycloneDX: {problem}")
    return text


def _base_image(dockerfile: str) -> dict[str, Any]:
    """Return the component of the base image that a Dockerfile names.

    Raises:
        ValueError: if the Dockerfile does not name it by digest.
    """
    found = BASE_IMAGE.search(dockerfile)
    if found is None:
        raise ValueError(
            "orchestrator/Dockerfile must name its base image by digest: ARG PYTHON_IMAGE=NAME:TAG@sha256:…"
        )
    name, tag, digest = found["name"], found["tag"], found["digest"]
    location = f"repository_url=docker.io/library/{name}&tag={tag}"
    return {
        "bom-ref": f"{name}@sha256:{digest}",
        "type": "container",
        "name": name,
        "version": tag,
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "purl": f"pkg:oci/{name}@sha256%3A{digest}?{location}",
    }


def _uv(*arguments: str, environment: str | None = None) -> None:
    variables = os.environ if environment is None else {**os.environ, "VIRTUAL_ENV": environment}
    subprocess.run([str(Path(sys.executable).with_name("uv")), *arguments], env=variables, check=True)


def main() -> None:
    """Write the bills of materials into a folder, by default `sbom/`."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "sbom")
    folder.mkdir(parents=True, exist_ok=True)
    for product in PRODUCTS:
        path = folder / f"{product.name}.cdx.json"
        path.write_text(bill_of_materials(product))
        print(path)


if __name__ == "__main__":
    main()
