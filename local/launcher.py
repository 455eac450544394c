"""Becomes a job's command, having made sure that the kernel kills it when the stand-in dies without a chance to do so.

Run as `python -I -S launcher.py PARENT_PID COMMAND ...`, a program of its own: the stand-in must not fork by hand, since gRPC has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
COMMAND_NOT_FOUND = 127


def main(parent: int, command: list[str]) -> None:
    """Become the command; leaves with 127, as a shell would, where there is no such program."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above took hold
            os.kill(os.getpid(), signal.SIGKILL)
    try:
        os.execvp(command[0], command)  # noqa: S606 # to become another program is what this one is for
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(COMMAND_NOT_FOUND)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
