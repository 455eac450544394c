"""Take the descriptors of Firestore's messages out of Google's library: `python -m local.firestore_schema`, after a new version of it."""

import base64
import json

from google.cloud.firestore_v1.types.firestore import ListenRequest
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from shared.stores.firestore_client import SCHEMA


def as_json() -> str:
    """The descriptors of every message that the service speaks, each file behind those that it needs, a line each."""
    files: dict[str, FileDescriptor] = {}
    _gather(ListenRequest.pb().DESCRIPTOR.file, files)
    return "[\n" + ",\n".join(json.dumps(_encoded(file)) for file in files.values()) + "\n]\n"


def _gather(file: FileDescriptor, files: dict[str, FileDescriptor]) -> None:
    for needed in sorted(file.dependencies, key=lambda each: each.name):  # the library has them in any order
        _gather(needed, files)
    files.setdefault(file.name, file)


def _encoded(file: FileDescriptor) -> str:
    content = FileDescriptorProto()
    file.CopyToProto(content)
    content.dependency.sort()
    assert not content.public_dependency  # these would be told by their place in the order
    return base64.b64encode(content.SerializeToString(deterministic=True)).decode()


if __name__ == "__main__":
    SCHEMA.write_text(as_json(), encoding="utf-8")
    print(f"wrote {SCHEMA}")
