"""The real gcloud, loaded once: each command then costs a fork instead of a second of imports.

As a script, this runs in gcloud's own Python, loads gcloud and listens on a socket. The `gcloud` that `warm` puts on the path sends its
arguments, environment, folder and streams, and a fork of the loaded gcloud runs the command. Standard library only, to work with any Python
that gcloud includes.
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
# Preloading these only saves time; a gcloud without one of them loads what it needs.
SHARED_BY_COMMANDS = (
    "googlecloudsdk.api_lib.compute.base_classes",
    "googlecloudsdk.command_lib.run.serverless_operations",
    "googlecloudsdk.command_lib.util.apis.yaml_command_translator",
    "googlecloudsdk.core.credentials.transports",
    "googlecloudsdk.generated_clients.apis.compute.v1.compute_v1_client",
    "googlecloudsdk.generated_clients.apis.run.v1.run_v1_client",
)


@contextlib.contextmanager
def warm(folder: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield a folder for PATH with a `gcloud` that starts fast; the folder is empty if gcloud has no bundled Python."""
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
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the forks are not waited for
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
        gcloud_main.main()  # type: ignore[attr-defined]  # the module is known at run time only
    except SystemExit as leaving:
        code = leaving.code
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    connection.sendall(str(code if isinstance(code, int) else int(code is not None)).encode())
    os._exit(0)


if __name__ == "__main__":
    serve(*sys.argv[1:])
