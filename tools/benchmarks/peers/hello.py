"""Smallest function that functions-framework can serve like the others: the reference of all cold starts."""

from starlette.requests import Request


async def handle(_request: Request) -> str:
    """Return a greeting."""
    return "Hello, world!"
