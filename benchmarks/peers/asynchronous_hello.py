"""The least that functions-framework can serve asynchronously, which is how all the functions are served: their floor."""

from starlette.requests import Request


async def handle(_request: Request) -> str:
    """Greet."""
    return "Hello, world!"
