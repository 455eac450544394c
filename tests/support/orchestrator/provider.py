"""A local language-model provider that speaks the protocols of Anthropic, OpenAI and Google, with scripted answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

JSON = dict[str, Any]

# The key that the tests send; this provider quotes it in its errors.
KEY = "k-123"


@dataclass
class Provider:
    """The provider's answers and the requests that it received.

    Attributes:
        answer: the model's output; a string is sent as the whole body instead.
        status: the HTTP status.
        seconds: the delay of an answer.
        requests: path, headers and body of each request.
        url: its address.
    """

    answer: JSON | str = field(default_factory=dict)
    status: int = 200
    seconds: float = 0.0
    requests: list[tuple[str, dict[str, str], JSON]] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one request per connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
            path = first.split(" ")[1]
            self.requests.append((path, headers, body))
            await asyncio.sleep(self.seconds)
            content = self._content(path, body).encode()
            writer.write(
                f"HTTP/1.1 {self.status} Said\r\ncontent-type: application/json\r\nconnection: close\r\n"
                f"content-length: {len(content)}\r\n\r\n".encode()
                + content
            )
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client did not wait, as some tests require
        finally:
            writer.close()

    def _content(self, path: str, body: JSON) -> str:
        if isinstance(self.answer, str):
            return self.answer
        if self.status != 200:
            return json.dumps({"type": "error", "error": {"type": "api_error", "message": f"SECRET DETAIL {KEY}"}})
        protocol = next(make for part, make in PROTOCOLS.items() if part in path)
        return json.dumps(protocol(body, self.answer))


def _anthropic(body: JSON, answer: JSON) -> JSON:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [{"type": "tool_use", "id": "toolu_1", "name": body["tools"][0]["name"], "input": answer}],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 10},
    }


def _openai(body: JSON, answer: JSON) -> JSON:
    call = {"name": body["tools"][0]["function"]["name"], "arguments": json.dumps(answer)}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
    }


def _google(body: JSON, answer: JSON) -> JSON:
    call = {"functionCall": {"name": body["tools"][0]["functionDeclarations"][0]["name"], "args": answer}}
    return {
        "candidates": [{"content": {"role": "model", "parts": [call]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 10, "totalTokenCount": 20},
        "modelVersion": "test",
        "responseId": "1",
    }


PROTOCOLS: dict[str, Callable[[JSON, JSON], JSON]] = {
    "/v1/messages": _anthropic,
    "/chat/completions": _openai,
    ":generateContent": _google,
}


@asynccontextmanager
async def listening(provider: Provider) -> AsyncIterator[Provider]:
    """Serve the provider on a free port of 127.0.0.1."""
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield provider
