"""Requests as bytes, to the functions behind a real server: no header, path or length that a client makes up gets anything past it.

A log line is one JSON object, whatever was asked; no answer has a header that the client wrote.
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
    """What came back."""

    status: int
    headers: dict[str, str]
    content: bytes


@dataclass(frozen=True)
class Wire:
    """A server that is sent bytes.

    Attributes:
        port: where it listens.
        parser: what reads them there.
    """

    port: int
    parser: Parser

    async def send(self, *parts: bytes) -> Answer:
        """Send these, one after the other, and read one answer, or the first of what came."""
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
        """A request with these header lines, sent as they are."""
        common = f"Host: test\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return await self.send(f"{method} {path} HTTP/1.1\r\n{common}{headers}\r\n{body}".encode("latin-1"))


@pytest.fixture(params=get_args(Parser))
async def wire(environment: dict[str, str], request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    """The functions as they are read here and as they are read where they are deployed."""
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
ANSWERED: Final[Mapping[Parser, int]] = {"h11": 13, "httptools": 4}
"""How many of these are headers to a parser; one is stricter about control characters."""


async def test_no_header_writes_into_the_answer_or_the_log(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    asked = 0
    for header in HEADERS:
        answer = await wire.ask(headers=header + "\r\n")
        assert answer.status < 500, header
        assert "x-forged" not in answer.headers
        assert not any("\x1b" in value or "Forged" in value or len(value) > 200 for value in answer.headers.values())
        asked += "x-request-id" in answer.headers
    lines = capsys.readouterr().err.splitlines()
    assert asked == len(lines) >= ANSWERED[wire.parser]  # the server itself refuses what is no header at all
    for line in lines:
        assert line.isprintable()
        assert json.loads(line)["severity"] == "INFO"


@pytest.mark.parametrize("wire", ["h11"], indirect=True)  # where functions are deployed, Google's front end does this
async def test_a_head_without_end_is_read_no_further_than_the_limit(wire: Wire) -> None:
    begun = f"GET {RUNS} HTTP/1.1\r\nHost: test\r\nX-Request-Id: ".encode()
    assert (await wire.send(begun, b"a" * 70_000)).status == 400  # neither the line nor the head is ever ended


async def test_a_good_request_id_comes_back_and_another_is_replaced(wire: Wire) -> None:
    assert (await wire.ask(headers="X-Request-Id: my-id/1\r\n")).headers["x-request-id"] == "my-id/1"
    replaced = (await wire.ask(headers="X-Request-Id: my id\r\n")).headers["x-request-id"]
    assert len(replaced) == 32


async def test_where_a_run_is_follows_from_its_id_and_not_from_the_host_or_the_path(wire: Wire) -> None:
    answer = await wire.ask(path=RUNS + "/?next=https://evil.example.com", headers="X-Forwarded-Host: evil\r\n")
    assert answer.headers["location"] == f"{RUNS}/{json.loads(answer.content)['run_id']}"


@pytest.mark.parametrize("template", [RUNS + "/{}", "/api/v1/metadata/datasets/{}", "/api/v1/metadata/{}", "/{}"])
async def test_no_path_leads_anywhere_else(wire: Wire, template: str, capsys: pytest.CaptureFixture[str]) -> None:
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
        assert answer.headers["content-type"] in {"application/problem+json", "text/plain; charset=utf-8"}
    for line in capsys.readouterr().err.splitlines():
        assert line.isprintable()
        assert json.loads(line)["severity"] == "INFO"


async def test_a_body_in_chunks_is_read_no_further_than_the_limit(wire: Wire) -> None:
    head = f"POST {RUNS} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"2000\r\n" + b" " * 8192 + b"\r\n"
    answer = await wire.send(head.encode(), *[chunk] * 9)  # the last chunk is never sent, and not waited for
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
async def test_a_body_whose_end_two_readers_would_see_in_two_places_is_refused(wire: Wire, lines: str) -> None:
    head = f"POST {RUNS} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n{lines}\r\n"
    assert (await wire.send(head.encode() + BODY.encode())).status in {400, 413, 501}


async def test_what_is_asked_is_in_no_log_line(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    query = json.dumps({"query": QUESTION + " " + FORGED})
    headers = "X-Goog-Authenticated-User-Email: ada.lovelace@example.com\r\nIdempotency-Key: secret-key\r\n"
    for path in (RUNS, RUNS + "/validate-control-strategy"):
        assert (await wire.ask(path=path, headers=headers, body=query)).status == 200
    written = capsys.readouterr().err
    assert [json.loads(line)["message"] for line in written.splitlines()] == ["request"] * 2
    for word in ("monocytes", "forged", "lovelace", "secret-key"):
        assert word not in written
