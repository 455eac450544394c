"""An httpx transport that receives a response which arrives before the whole request is sent.

If an upload session is over, fake-gcs-server answers a chunk at once and closes the connection without reading the chunk. The client's next
write then fails with a reset; httpx on asyncio gives up and loses the response, while urllib3 reads it.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import httpx
import urllib3

TIMEOUT: Final = urllib3.Timeout(connect=5.0, read=60.0)
# Not the event loop's own threads: clients in this process that wait for these very responses may occupy all of them.
THREADS: Final = 8


class EarlyAnswers(httpx.AsyncBaseTransport):
    """Sends requests from threads, with whole bodies in memory: for chunks of uploads, not for downloads."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(maxsize=THREADS, retries=False, timeout=TIMEOUT)
        self._threads = ThreadPoolExecutor(THREADS, "early-answers")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return the response, with its content encoding intact.

        Raises:
            httpx.TransportError: there is no response.
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
            response = await asyncio.get_running_loop().run_in_executor(self._threads, send)
        except urllib3.exceptions.HTTPError as error:
            raise httpx.ReadError(type(error).__name__, request=request) from error
        return httpx.Response(
            response.status, headers=list(response.headers.items()), stream=httpx.ByteStream(response.data)
        )

    async def aclose(self) -> None:
        """Close the connections without waiting for requests in progress."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.clear()
