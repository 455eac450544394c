"""What ends a command before its work is done, and the exit codes that scripts can rely on."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended. The numbers are documented in `haystack --help` and never change their meaning."""

    OK = 0
    RUN_NOT_COMPLETED = 1
    REFUSED = 2
    NOT_FOUND = 3
    NOT_SIGNED_IN = 4
    UNAVAILABLE = 5
    INTERRUPTED = 130


class Failure(Exception):
    """A command cannot go on.

    Args:
        exit_code: what the process leaves with.
        message: one sentence for a person, saying what to do.
        details: further lines, such as the fields that are wrong.
    """

    def __init__(self, exit_code: ExitCode, message: str, *details: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.message = message
        self.details = details


class Unavailable(Failure):
    """The service, or a file of it, cannot be had just now.

    Args:
        message: as above.
        details: as above.
        worth_repeating: whether trying again may help.
        retry_after: the seconds that the service asks to wait; None where it does not say.
    """

    def __init__(
        self, message: str, *details: str, worth_repeating: bool = True, retry_after: float | None = None
    ) -> None:
        super().__init__(ExitCode.UNAVAILABLE, message, *details)
        self.worth_repeating = worth_repeating
        self.retry_after = retry_after
