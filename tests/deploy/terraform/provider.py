"""A stand-in for Google's Terraform provider, which cannot be downloaded here: it knows the schema and plans, nothing else.

Terraform connects to it instead of starting a plugin (`TF_REATTACH_PROVIDERS`) and talks protocol 6
(https://github.com/hashicorp/terraform/tree/main/docs/plugin-protocol). The schema, in `google_schema.json`, has what the module
uses, as in the provider's documentation. `!` marks a required attribute and `=` one that the cloud computes. `terraform validate` in
the workflow checks the module against the real provider.
"""

import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import grpc

SCHEMA: Final[dict[str, dict[str, Any]]] = json.loads((Path(__file__).parent / "google_schema.json").read_text())
DATA: Final = {"google_project": {"project_id": "string", "number": "="}}
PROVIDER: Final = {
    "project": "string", "region": "string", "billing_project": "string", "user_project_override": "bool"
}  # fmt: skip
NAMES: Final = ("registry.terraform.io/hashicorp/google", "registry.terraform.io/hashicorp/google-beta")
LIST: Final = 2  # the nesting mode of all blocks

Fields = dict[int, bytes]


@contextmanager
def serving(project: str, number: str) -> Iterator[dict[str, str]]:
    """Run the provider for this project and return the environment that tells Terraform where it is."""
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((_Provider(project, number),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    address = {"Network": "tcp", "String": f"127.0.0.1:{port}"}
    attached = {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": address}
    try:
        yield {"TF_REATTACH_PROVIDERS": json.dumps(dict.fromkeys(NAMES, attached))}
    finally:
        server.stop(None).wait()


class _Provider(grpc.GenericRpcHandler):
    """The methods of the protocol that a plan needs; all others validate or configure, and have nothing to say."""

    def __init__(self, project: str, number: str) -> None:
        self._project = project
        self._number = number

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        service, _, method = handler_call_details.method.lstrip("/").partition("/")
        if service != "tfplugin6.Provider":
            return None
        answers: dict[str, Callable[[Fields], bytes]] = {
            "GetProviderSchema": lambda _: _schemas(),
            "PlanResourceChange": self._plan,
            "ReadDataSource": self._read,
        }
        answer: Callable[[Fields], bytes] = answers.get(method, _agree)

        def reply(request: bytes, _: grpc.ServicerContext) -> bytes:
            return answer(_fields(request))

        return grpc.unary_unary_rpc_method_handler(reply)

    def _plan(self, request: Fields) -> bytes:
        name, wanted = request[1].decode(), _value(request[3])
        for attribute, kind in SCHEMA[name].items():
            if kind == "=":
                wanted[attribute] = f"{attribute} of {wanted.get('name') or wanted.get('display_name')}"
        if name == "google_service_account":
            wanted["email"] = f"{wanted['account_id']}@{self._project}.iam.gserviceaccount.com"
        return _field(1, _field(2, json.dumps(wanted).encode()))

    def _read(self, request: Fields) -> bytes:
        state = {**_value(request[2]), "number": self._number}
        return _field(1, _field(2, json.dumps(state).encode()))


def _agree(_: Fields) -> bytes:
    """Return an empty message: no errors."""
    return b""


def _schemas() -> bytes:
    resources = b"".join(
        _field(2, _field(1, name.encode()) + _field(2, _schema(each))) for name, each in SCHEMA.items()
    )
    data = b"".join(_field(3, _field(1, name.encode()) + _field(2, _schema(each))) for name, each in DATA.items())
    return _field(1, _schema(PROVIDER)) + resources + data


def _schema(block: Mapping[str, Any]) -> bytes:
    return _field(2, _block(block))


def _block(block: Mapping[str, Any]) -> bytes:
    parts = []
    for name, kind in block.items():
        if isinstance(kind, dict):
            parts.append(_field(3, _field(1, name.encode()) + _field(2, _block(kind)) + _number(3, LIST)))
        else:
            parts.append(_field(2, _field(1, name.encode()) + _attribute(kind)))
    return b"".join(parts)


def _attribute(kind: str) -> bytes:
    """Return the type of an attribute as JSON, and whether it is required (4), optional (5) or computed (6)."""
    if kind == "=":
        return _field(2, b'"string"') + _number(6, 1)
    plain = kind.removesuffix("!")
    wrapped = {"[": "list", "{": "map"}.get(plain[0])
    written = json.dumps([wrapped, plain[1:-1]] if wrapped else plain)
    return _field(2, written.encode()) + _number(4 if kind.endswith("!") else 5, 1)


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _fields(message: bytes) -> Fields:
    """Return the fields of a message that are bytes; of repeated ones, the last."""
    found, at = {}, 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while at < len(message):
        tag = varint()
        size = varint()
        if tag & 7 == 2:
            found[tag >> 3] = message[at : at + size]
            at += size
    return found


def _value(dynamic: bytes) -> dict[str, Any]:
    """Return a value that Terraform sends as MessagePack."""
    value: dict[str, Any] = _Packed(_fields(dynamic)[1]).read()
    return value


class _Packed:
    """MessagePack without extensions: Terraform sends those for unknown values, and this provider computes everything at once."""

    CONSTANTS: Final = {0xC0: None, 0xC2: False, 0xC3: True}
    NUMBERS: Final = dict(zip(range(0xCA, 0xD4), list("fdBHIQbhiq"), strict=True))
    SIZED: Final = dict(zip(range(0xD9, 0xE0), ("sB", "sH", "sI", "aH", "aI", "mH", "mI"), strict=True))
    # The first byte of short maps, arrays and strings, the bits of their size, and their kind.
    SHORT: Final = ((0x80, 0x0F, "m"), (0x90, 0x0F, "a"), (0xA0, 0x1F, "s"))

    def __init__(self, data: bytes) -> None:
        self._data = BytesIO(data)

    def read(self) -> Any:  # noqa: ANN401  # JSON
        (byte,) = self._data.read(1)
        if byte in self.CONSTANTS:
            return self.CONSTANTS[byte]
        if byte in self.NUMBERS:
            return self._number(self.NUMBERS[byte])
        if byte < 0x80 or byte >= 0xE0:
            return byte if byte < 0x80 else byte - 0x100
        kind, size = self._sized(byte)
        if kind == "m":
            return {self.read(): self.read() for _ in range(size)}
        return [self.read() for _ in range(size)] if kind == "a" else self._data.read(size).decode()

    def _sized(self, byte: int) -> tuple[str, int]:
        for first, bits, kind in self.SHORT:
            if byte & ~bits == first:
                return kind, byte & bits
        kind = self.SIZED[byte]
        return kind[0], int(self._number(kind[1]))

    def _number(self, kind: str) -> float:
        (value,) = struct.unpack(f">{kind}", self._data.read(struct.calcsize(kind)))
        number: float = value
        return number
