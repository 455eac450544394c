"""The least that functions-framework can serve: synchronous, one line. Cold starts are told in multiples of it."""

from flask import Request


def handle(_request: Request) -> str:
    """Greet."""
    return "Hello, world!"
