"""The real gcloud, started once: a command then costs a fork instead of a second of imports.

Run as a script by gcloud's own Python, this loads gcloud and waits at a socket. The `gcloud` that `warm` puts on the path hands over its
arguments, environment, folder and streams; a fork of the loaded gcloud runs the command as it would have run by itself. Standard library
only, for whatever Python gcloud brings along.
"""

import contextlib
import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

CLIENT = """#!{python} -SE
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r})
socket.send_fds(connection, [b"-"], [0, 1, 2])
connection.sendall(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode())
connection.shutdown(socket.SHUT_WR)
sys.exit(int(connection.recv(16) or 70))
"""
SHARED_BY_COMMANDS = (
    "googlecloudsdk.api_lib.compute.base_classes",
    "googlecloudsdk.command_lib.run.serverless_operations",
    "googlecloudsdk.command_lib.util.apis.yaml_command_translator",
    "googlecloudsdk.core.credentials.transports",
    "googlecloudsdk.generated_clients.apis.compute.v1.compute_v1_client",
    "googlecloudsdk.generated_clients.apis.run.v1.run_v1_client",
)
"""Loading these beforehand is an economy only; a gcloud that does not have one loads what it needs itself."""


@contextlib.contextmanager
def warm(folder: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """A folder with a `gcloud` that starts fast, to be put in front of the path; an empty one where gcloud has no Python of its own."""
    binaries = folder / "bin"
    binaries.mkdir(parents=True)
    found = shutil.which("gcloud")
    sdk = Path(found).resolve().parent.parent if found else folder
    python = sdk / "platform" / "bundledpythonunix" / "bin" / "python3"
    if not python.exists():
        yield binaries
        return
    address = str(folder / "socket")
    command = [str(python), "-S", "-W", "ignore", __file__, str(sdk), address]
    with subprocess.Popen(command, env=dict(environment), stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n", "gcloud could not be loaded"
            client = binaries / "gcloud"
            client.write_text(CLIENT.format(python=sys.executable, address=address))
            client.chmod(0o755)
            yield binaries
        finally:
            server.terminate()


def serve(sdk: str, address: str) -> None:
    """Load gcloud, and run each command in a fork."""
    sys.path[:0] = [f"{sdk}/lib", f"{sdk}/lib/third_party"]
    gcloud_main = importlib.import_module("googlecloudsdk.gcloud_main")
    for name in SHARED_BY_COMMANDS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            _run(gcloud_main, sdk, connection)
        connection.close()


def _run(gcloud_main: object, sdk: str, connection: socket.socket) -> None:
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as request:
        arguments, environment, folder = json.loads(request.read())
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [f"{sdk}/lib/gcloud.py", *arguments]
    code: object = 0
    try:
        gcloud_main.main()  # type: ignore[attr-defined]  # a module that is known at run time only
    except SystemExit as leaving:
        code = leaving.code
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    connection.sendall(str(code if isinstance(code, int) else int(code is not None)).encode())
    os._exit(0)


if __name__ == "__main__":
    serve(*sys.argv[1:])
