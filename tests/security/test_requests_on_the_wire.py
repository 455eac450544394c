"""No header, path or length that a client forges has an effect on functions behind a real server. Requests are sent as bytes.

A log line is one JSON object, whatever the request; no response has a header that the client wrote.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final, get_args

import pytest

from local.gateway import Gateway
from local.serving import Parser, serving
from shared import wiring
from tests.functions.conftest import small_dataset
from tests.security.conftest import QUESTION, RUNS

BODY = json.dumps({"query": QUESTION})
FORGED = 'x"}\n{"severity": "ERROR", "message": "forged"}\n'


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: dict[str, str]
    content: bytes


@dataclass(frozen=True)
class Wire:
    """A server, and a client that sends it bytes.

    Attributes:
        port: the port of the server.
        parser: the parser of its requests.
    """

    port: int
    parser: Parser

    async def send(self, *parts: bytes) -> Answer:
        """Send parts one after the other, and return the first response."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            pairs = [line.partition(": ") for line in lines]
            headers = {name.lower(): value for name, _, value in pairs}
            assert len(headers) == len(pairs) or "vary" in headers
            content = await reader.readexactly(int(headers["content-length"])) if "content-length" in headers else b""
        finally:
            writer.close()
        return Answer(int(first.split()[1]), headers, content)

    async def ask(self, method: str = "POST", path: str = RUNS, headers: str = "", body: str = BODY) -> Answer:
        """Send a request with exactly these header lines."""
        common = f"Host: test\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return await self.send(f"{method} {path} HTTP/1.1\r\n{common}{headers}\r\n{body}".encode("latin-1"))


@pytest.fixture(params=get_args(Parser))
async def wire(environment: dict[str, str], request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    """Serve the functions with the parser of the local service, and with that of production."""
    assert environment
    await wiring.container().catalog.put(small_dataset())
    async with serving(Gateway({}), parser=request.param) as url:
        yield Wire(int(url.rpartition(":")[2]), request.param)


HEADERS = [
    "X-Request-Id: a\x1b[2Jb",
    "X-Request-Id: a\rX-Forged: 1",
    "X-Request-Id: a\nX-Forged: 1",
    "X-Request-Id: a\r\n X-Forged: 1",
    "X-Request-Id: a\0b",
    "X-Request-Id: " + "a" * 129,
    "X-Request-Id: \xe9",
    "X-Cloud-Trace-Context: 0123456789abcdef0123456789abcdef\x1b/1",
    'X-Cloud-Trace-Context: "}{"severity":"ERROR"}',
    "Idempotency-Key: a\nX-Forged: 1",
    "Idempotency-Key: a\x1bb",
    "Origin: https://evil.example.com\nX-Forged: 1",
    "X-Goog-Authenticated-User-Email: ada@example.com\x1b[31m",
    'X-Goog-Authenticated-User-Email: "}{"severity":"ERROR"}',
    "If-None-Match: \x80\xff\x1b",
    "Accept-Encoding: gzip\x0b;q=\xb2",
]
# How many of these each parser accepts as headers; httptools is stricter about control characters.
ACCEPTED: Final[Mapping[Parser, int]] = {"h11": 13, "httptools": 4}


def request_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the log lines of requests, and check that each line of the log is one sound object."""
    found = []
    for line in capsys.readouterr().err.splitlines():
        assert line.isprintable()
        content = json.loads(line)
        if content["message"] == "request":
            assert content["severity"] == "INFO"
            found.append(line)
        else:
            assert (content["message"], content["logger"]) == ("Invalid HTTP request received.", "uvicorn.error")
    return found


async def test_no_header_writes_into_the_response_or_the_log(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    asked = 0
    for header in HEADERS:
        answer = await wire.ask(headers=header + "\r\n")
        assert answer.status < 500, header
        assert "x-forged" not in answer.headers
        assert not any("\x1b" in value or "Forged" in value or len(value) > 200 for value in answer.headers.values())
        asked += "x-request-id" in answer.headers
    lines = request_lines(capsys)
    assert asked == len(lines) >= ACCEPTED[wire.parser]  # the server itself refuses the others


@pytest.mark.parametrize("wire", ["h11"], indirect=True)  # in production, Google's front end does this
async def test_an_endless_head_is_read_up_to_the_limit(wire: Wire) -> None:
    begun = f"GET {RUNS} HTTP/1.1\r\nHost: test\r\nX-Request-Id: ".encode()
    assert (await wire.send(begun, b"a" * 70_000)).status == 400  # neither the line nor the head ever ends


async def test_a_valid_request_id_is_returned_and_another_replaced(wire: Wire) -> None:
    assert (await wire.ask(headers="X-Request-Id: my-id/1\r\n")).headers["x-request-id"] == "my-id/1"
    replaced = (await wire.ask(headers="X-Request-Id: my id\r\n")).headers["x-request-id"]
    assert len(replaced) == 32


async def test_the_location_of_a_run_depends_only_on_its_id(wire: Wire) -> None:
    answer = await wire.ask(path=RUNS + "/", headers="X-Forwarded-Host: evil\r\n")
    assert answer.headers["location"] == f"{RUNS}/{json.loads(answer.content)['run_id']}"


@pytest.mark.parametrize("template", [RUNS + "/{}", "/api/v1/metadata/datasets/{}", "/api/v1/metadata/{}", "/{}"])
async def test_no_path_leads_elsewhere(wire: Wire, template: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (
        *(
            "..",
            "../../../etc/passwd",
            "..%2f..%2fetc%2fpasswd",
            "%2e%2e/%2e%2e",
            "..%5c..",
            "....//",
            "%252e%252e%252f",
        ),
        *("%00", "parse_pbmc%00", "%0d%0aX-Forged:%201", "%1b[2J", "%ff%fe", "%ed%a0%80", "%c0%ae%c0%ae", "%", "%zz"),
        *("run_0123456789ab%00", "run_0123456789ab%0a", "RUN_0123456789AB", "run_%D9%A0123456789a", "*", "a" * 4000),
        *("' or 1=1 --", "{run_id}", "__proto__", "$(id)", "%7B%7B7*7%7D%7D", "<script>"),
    ):
        answer = await wire.ask("GET", template.format(name.replace(" ", "%20")), body="")
        assert answer.status == 404, name
        assert b"root:" not in answer.content
        assert "x-forged" not in answer.headers
        # A path outside the API gets the page for unknown paths.
        page = {"text/html; charset=utf-8"} if template == "/{}" else set()
        assert answer.headers["content-type"] in {"application/problem+json", "text/plain; charset=utf-8"} | page
    assert request_lines(capsys)


async def test_a_chunked_body_is_read_up_to_the_limit(wire: Wire) -> None:
    head = f"POST {RUNS} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"2000\r\n" + b" " * 8192 + b"\r\n"
    answer = await wire.send(head.encode(), *[chunk] * 9)  # the last chunk never arrives
    assert (answer.status, json.loads(answer.content)["code"]) == (413, "body_too_large")
    small = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY.encode())
    assert (await wire.send(head.encode(), small)).status == 200


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 5\r\nContent-Length: 60\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
    ],
)
async def test_a_body_with_an_ambiguous_length_is_refused(wire: Wire, lines: str) -> None:
    head = f"POST {RUNS} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n{lines}\r\n"
    assert (await wire.send(head.encode() + BODY.encode())).status in {400, 413, 501}


async def test_no_log_line_has_the_question_the_user_or_the_key(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    query = json.dumps({"query": QUESTION + " " + FORGED})
    headers = "X-Goog-Authenticated-User-Email: ada.lovelace@example.com\r\nIdempotency-Key: secret-key\r\n"
    for path in (RUNS, RUNS + "/validate-control-strategy"):
        assert (await wire.ask(path=path, headers=headers, body=query)).status == 200
    written = capsys.readouterr().err
    assert [json.loads(line)["message"] for line in written.splitlines()] == ["request"] * 2
    for word in ("monocytes", "forged", "lovelace", "secret-key"):
        assert word not in written
