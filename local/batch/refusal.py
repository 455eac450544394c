"""How the stand-in says no."""

import grpc


class Refused(Exception):
    """A request that the real service answers with an error.

    Args:
        code: the gRPC status it answers with.
        message: what it says.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> Refused:
    """A request that is wrong in itself."""
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, message)


def missing(name: str) -> Refused:
    """A resource that is not there."""
    return Refused(grpc.StatusCode.NOT_FOUND, f"Resource '{name}' was not found")
