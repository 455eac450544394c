"""Each staged function starts alone, in an environment with only its own requirements, and answers.

All functions have the same `requirements.txt`, so one fresh environment serves all of them.
"""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from deploy import staging
from deploy.target import RUNTIME
from local import processes
from shared.http.site import REFERENCE
from shared.routes import FUNCTIONS

ASKED = {
    "create": ("POST", "/api/v1/runs", 415, "media_type_unsupported"),
    "list": ("GET", "/api/v1/runs", 200, '"runs":[]'),
    "status": ("GET", "/api/v1/runs/run_0123456789ab", 404, "run_not_found"),
    "result": ("GET", "/api/v1/runs/run_0123456789ab/result", 404, "run_not_found"),
    "cancel": ("POST", "/api/v1/runs/run_0123456789ab/cancel", 404, "run_not_found"),
    "validate": ("POST", "/api/v1/runs/validate-control-strategy", 415, "media_type_unsupported"),
    "metadata": ("GET", "/api/v1/metadata/datasets", 200, "parse_pbmc"),
    "health": ("GET", "/api/v1/health/ready", 200, "connected"),
    "reconcile": ("POST", "/api/v1/reconcile", 401, "code"),
    "web": ("GET", "/runs", 200, "<title>"),
}


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Stage all functions."""
    into = tmp_path_factory.mktemp("staged")
    return {name: staging.stage(name, into) for name in FUNCTIONS}


@pytest.fixture(scope="module")
def environment(staged: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a fresh virtual environment with only the staged requirements."""
    (requirements,) = {(folder / "requirements.txt").read_bytes() for folder in staged.values()}
    folder = tmp_path_factory.mktemp("environment")
    (folder / "requirements.txt").write_bytes(requirements)
    uv = [sys.executable, "-m", "uv"]
    env = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    run([*uv, "venv", "--quiet", "--python", sys.executable, "venv"], folder, env)
    python = folder / "venv" / "bin" / "python"
    install = [*uv, "pip", "install", "--quiet", "--no-deps", "--compile-bytecode", "--python", str(python)]
    run([*install, "--requirement", "requirements.txt"], folder, env)
    return folder / "venv"


def run(command: list[str], cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def start_command(folder: Path) -> str:
    """Return the start command, as Google's buildpack reads it: cmd/config/entrypoint of GoogleCloudPlatform/buildpacks."""
    found = re.search(r"(?m)^web:\s*(.+)$", (folder / "Procfile").read_text())
    assert found
    return found[1]


async def start(command: str, folder: Path, environment: Path, scratch: Path, port: int) -> processes.Child:
    """Run a start command in a staged folder, as the buildpack does: by bash, with the port in the environment."""
    return await processes.start(
        ["/bin/bash", "-c", command],
        log=scratch / "log",
        env={
            **RUNTIME,
            "PATH": f"{environment / 'bin'}{os.pathsep}{os.defpath}",
            "PORT": str(port),
            "ENVIRONMENT": "development",
            "PROJECT": "p",
            "REGION": "r",
            "RESULTS_BUCKET": "b",
            "STORE": "sqlite",
            "SQLITE_PATH": str(scratch / "runs.db"),
            "PYTHONDONTWRITEBYTECODE": "1",  # other tests inspect the folder as it was staged
        },
        cwd=folder,
    )


async def ask(child: processes.Child, port: int, method: str, path: str) -> httpx.Response:
    """Return the response to one request, as soon as the process accepts connections."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        for _ in range(600):
            try:
                return await client.request(method, path)
            except httpx.TransportError:
                assert child.running, child.tail(40)
                await asyncio.sleep(0.05)
    raise AssertionError(child.tail(40))


@pytest.mark.timeout(120)  # the first of these also creates the environment, from a package index if nothing is cached
@pytest.mark.parametrize("name", ASKED)
async def test_a_staged_function_boots_alone_and_answers(
    name: str, staged: dict[str, Path], environment: Path, tmp_path: Path
) -> None:
    method, path, status, said = ASKED[name]
    port = processes.free_port()
    # On the loopback interface only, except for the function that shows that the exact command works.
    command = start_command(staged[name]).replace("0.0.0.0", "0.0.0.0" if name == "health" else "127.0.0.1")  # noqa: S104
    child = await start(command, staged[name], environment, tmp_path, port)
    try:
        response = await ask(child, port, method, path)
        assert response.status_code == status, response.text + child.tail(40)
        assert said in response.text
    finally:
        await child.stop()


@pytest.mark.timeout(120)
async def test_a_function_whose_main_raises_fails_to_start(environment: Path, tmp_path: Path) -> None:
    folder = staging.stage("health", tmp_path)
    (folder / "main.py").write_text('raise RuntimeError("no settings")\n')
    child = await start(start_command(folder), folder, environment, tmp_path, processes.free_port())
    try:
        assert await asyncio.wait_for(child.wait(), 60) != 0
        assert "RuntimeError: no settings" in child.tail(80)
    finally:
        await child.stop()


def test_the_start_command_is_uvicorn_with_the_lifespan_on(staged: dict[str, Path]) -> None:
    serve = "uvicorn shared.http.server:app --host 0.0.0.0 --port $PORT --lifespan on --no-access-log"
    assert {start_command(folder) for folder in staged.values()} == {serve}


def test_every_function_is_asked() -> None:
    assert set(ASKED) == set(FUNCTIONS)


@pytest.mark.timeout(120)
def test_the_environment_knows_nothing_of_this_project(environment: Path, tmp_path: Path) -> None:
    find = (
        "import importlib.util as u; print([n for n in ('shared', 'functions', 'local', 'pytest') if u.find_spec(n)])"
    )
    assert run([str(environment / "bin" / "python"), "-c", find], tmp_path, {}).strip() == "[]"


@pytest.mark.timeout(120)
def test_the_requirements_are_complete_and_fit_each_other(environment: Path, tmp_path: Path) -> None:
    run([sys.executable, "-m", "uv", "pip", "check", "--python", str(environment / "bin" / "python")], tmp_path)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_staged_folder_holds_main_shared_and_requirements_and_nothing_else(
    name: str, staged: dict[str, Path]
) -> None:
    pages = {"docs", "web"} if name == "web" else set()
    assert {path.name for path in staged[name].iterdir()} == {
        "Procfile",
        "main.py",
        "requirements.txt",
        "shared",
    } | pages
    assert (staged[name] / "main.py").read_bytes() == (staging.ROOT / f"functions/{name}/main.py").read_bytes()


def test_all_of_shared_that_git_keeps_is_staged_but_what_is_only_read_by_people(staged: dict[str, Path]) -> None:
    listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "shared"], staging.ROOT).splitlines()
    kept = {path for path in listed if (staging.ROOT / path).exists() and not path.endswith(".md")}
    folder = staged["health"]
    assert {path.relative_to(folder).as_posix() for path in folder.glob("shared/**/*") if path.is_file()} == kept


def test_caches_hidden_files_and_leftovers_stay_out(staged: dict[str, Path]) -> None:
    files = [path for name, folder in staged.items() if name != "web" for path in folder.rglob("*")]
    assert not [path for path in files if path.name.startswith(".") or path.name == "__pycache__"]
    assert {path.suffix for path in files if path.is_file()} == staging.SUFFIXES | {""}  # the Procfile


def test_nothing_of_a_developers_machine_is_in_it(staged: dict[str, Path]) -> None:
    machine = {str(staging.ROOT).encode(), str(Path.home()).encode() + b"/"}
    for path in (path for path in staged["create"].rglob("*") if path.is_file()):
        assert not [name for name in machine if name in path.read_bytes()], path


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_staged_tree_compiles(name: str, staged: dict[str, Path], tmp_path: Path) -> None:
    run([sys.executable, "-X", f"pycache_prefix={tmp_path}", "-m", "compileall", "-q", "."], staged[name])
    assert list(tmp_path.rglob("main.*.pyc"))


def test_the_same_sources_are_staged_to_the_same_bytes_and_dates(staged: dict[str, Path], tmp_path: Path) -> None:
    again = staging.stage("create", tmp_path)
    assert staging.content_hash(again) == staging.content_hash(staged["create"])
    assert {path.stat().st_mtime for path in again.rglob("*") if path.is_file()} == {staging.DATE}
    assert {path.stat().st_mode & 0o777 for path in again.rglob("*") if path.is_file()} == {0o644}


def test_another_content_another_name_and_another_function_change_the_hash(tmp_path: Path) -> None:
    folder = staging.stage("health", tmp_path)
    hashes = {staging.content_hash(folder), staging.content_hash(staging.stage("list", tmp_path))}
    (folder / "main.py").write_text("# other\n")
    hashes.add(staging.content_hash(folder))
    (folder / "main.py").rename(folder / "other.py")
    hashes.add(staging.content_hash(folder))
    assert len(hashes) == 4


def test_staging_again_leaves_nothing_of_before(tmp_path: Path) -> None:
    (tmp_path / "health").mkdir()
    (tmp_path / "health" / "secret.json").write_text("{}")
    folder = staging.stage("health", tmp_path)
    assert not (folder / "secret.json").exists()


@pytest.mark.parametrize("name", ["", "nothing", "../health", "__init__"])
def test_a_function_that_does_not_exist_is_refused_and_nothing_is_removed(name: str, tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    with pytest.raises(ValueError, match="There is no function"):
        staging.stage(name, tmp_path)
    assert (tmp_path / "kept").exists()


def test_the_built_in_page_is_staged_whole_and_another_front_end_takes_its_place(
    staged: dict[str, Path], tmp_path: Path
) -> None:
    listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "web"], staging.ROOT).splitlines()
    folder = staged["web"]
    assert {path.relative_to(folder).as_posix() for path in folder.glob("web/**/*") if path.is_file()} == set(listed)
    own = tmp_path / "out"
    (own / ".git").mkdir(parents=True)
    (own / ".git" / "config").write_text("private")
    (own / "index.html").write_text("own")
    other = staging.stage("web", tmp_path / "staged", own)
    assert [path.name for path in other.rglob("web/**/*")] == ["index.html"]
    assert staging.content_hash(other) != staging.content_hash(folder)


def test_only_web_has_the_documentation_that_it_serves(staged: dict[str, Path]) -> None:
    assert tuple(sorted(REFERENCE.values())) == staging.REFERENCE
    for name, folder in staged.items():
        found = {path.name for path in (folder / "docs").iterdir()} if (folder / "docs").exists() else set()
        assert found == (set(staging.REFERENCE) if name == "web" else set())
