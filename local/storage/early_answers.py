"""A transport that hears an answer which comes before the request is sent whole.

fake-gcs-server answers a piece of an upload whose session is over at once, and closes the connection without reading the piece. What still
writes then meets a reset; httpx on asyncio takes that for the end and loses the answer, where urllib3 reads it.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import httpx
import urllib3

TIMEOUT: Final = urllib3.Timeout(connect=5.0, read=60.0)
THREADS: Final = 8
"""Our own, each with a connection: the event loop's may all be taken by clients in this process that wait for these very answers."""


class EarlyAnswers(httpx.AsyncBaseTransport):
    """Sends a request from a thread. Its body and the answer's are in memory as a whole: for pieces of uploads, not for downloads."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(maxsize=THREADS, retries=False, timeout=TIMEOUT)
        self._threads = ThreadPoolExecutor(THREADS, "early-answers")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and give the answer, still encoded as it came.

        Raises:
            httpx.TransportError: there is no answer.
        """
        body = await request.aread()
        headers = urllib3.HTTPHeaderDict(
            (name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw
        )
        send = partial(
            self._pool.request,
            request.method,
            str(request.url),
            body=body,
            headers=headers,
            redirect=False,
            decode_content=False,
        )
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, send)
        except urllib3.exceptions.HTTPError as error:
            raise httpx.ReadError(type(error).__name__, request=request) from error
        return httpx.Response(answer.status, headers=list(answer.headers.items()), stream=httpx.ByteStream(answer.data))

    async def aclose(self) -> None:
        """Close the connections; what is under way is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.clear()
