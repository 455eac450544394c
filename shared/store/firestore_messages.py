"""Firestore's messages, as raw protocol buffers. They carry no types of their own, hence Any.

They are made of the descriptors in `firestore_schema.json`, which are those of Google's library (`python -m local.firestore_schema`): the
library's own messages are inside it, and wrapped, and the wrapping alone takes longer to import than gRPC.
"""

import base64
import json
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

Raw = Any
"""A raw protocol buffer, or its class."""
SCHEMA: Final = Path(__file__).parent / "firestore_schema.json"
"""File descriptors in base64, each behind those that it needs."""


def _pool() -> DescriptorPool:
    """A pool of our own: the library may be imported beside us, and the default pool takes no message twice."""
    pool = DescriptorPool()
    for encoded in json.loads(SCHEMA.read_text(encoding="utf-8")):
        pool.AddSerializedFile(base64.b64decode(encoded))
    return pool


_POOL: Final = _pool()


def _message(name: str) -> Raw:
    return GetMessageClass(_POOL.FindMessageTypeByName(f"google.firestore.v1.{name}"))


Value: Raw = _message("Value")
Document: Raw = _message("Document")
Write: Raw = _message("Write")
StructuredQuery: Raw = _message("StructuredQuery")
GetDocumentRequest: Raw = _message("GetDocumentRequest")
CommitRequest: Raw = _message("CommitRequest")
CommitResponse: Raw = _message("CommitResponse")
RunQueryRequest: Raw = _message("RunQueryRequest")
RunQueryResponse: Raw = _message("RunQueryResponse")
RunAggregationQueryRequest: Raw = _message("RunAggregationQueryRequest")
RunAggregationQueryResponse: Raw = _message("RunAggregationQueryResponse")
ListenRequest: Raw = _message("ListenRequest")
ListenResponse: Raw = _message("ListenResponse")
