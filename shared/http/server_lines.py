"""What the server says of itself: errors only, since this service's own lines say the rest, and say it in fields.

Uvicorn has a line for each request, with the client's address in it, and sets its levels and handlers anew when it starts; a filter stays.
"""

import logging


def only_errors() -> None:
    """Keep what is less than an error out of the server's log; again and again is as once."""
    for name in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).addFilter(_is_error)


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR
