"""Plain Python data to Firestore values and back, on the raw protocol buffers.

The client library's own conversion is private to it, and goes through proto-plus, which copies each value.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from google.cloud.firestore_v1.types.document import Value
from google.protobuf.struct_pb2 import NullValue

# The raw protocol buffer class has no types of its own, hence Any.
RawValue = Any
_Raw: Any = Value.pb()
_SCALARS: Final = {str: "string_value", int: "integer_value", float: "double_value"}
_PLAIN: Final = frozenset({*_SCALARS.values(), "boolean_value"})


def encode(data: object) -> RawValue:
    """A Firestore value for None, bool, int, float, str, an enum of these, an aware datetime, a list or a mapping with str keys.

    Times keep microseconds, as Firestore does.

    Raises:
        TypeError: anything else, or a datetime without time zone.
    """
    value = _Raw()
    _put(value, data)
    return value


def _put(value: RawValue, data: object) -> None:
    if isinstance(data, Enum):
        data = data.value
    if data is None:
        value.null_value = NullValue.NULL_VALUE
    elif isinstance(data, bool):  # before int, which it is too
        value.boolean_value = data
    elif (attribute := _SCALARS.get(type(data))) is not None:
        setattr(value, attribute, data)
    elif isinstance(data, datetime) and data.tzinfo is not None:
        value.timestamp_value.FromDatetime(data)
    elif isinstance(data, Mapping):
        value.map_value.SetInParent()
        for key, item in data.items():
            _put(value.map_value.fields[key], item)
    elif isinstance(data, list | tuple):
        value.array_value.SetInParent()
        for item in data:
            _put(value.array_value.values.add(), item)
    else:
        raise TypeError(f"Firestore cannot hold a {type(data).__name__}")


def encode_fields(data: Mapping[str, object]) -> dict[str, RawValue]:
    """The fields of a document."""
    return {key: encode(item) for key, item in data.items()}


def decode(value: RawValue) -> object:
    """The plain data of a Firestore value; timestamps are aware datetimes in UTC.

    Raises:
        TypeError: a kind of value that this service never writes.
    """
    kind = value.WhichOneof("value_type")
    if kind in _PLAIN:
        return getattr(value, kind)
    if kind == "map_value":
        return {key: decode(item) for key, item in value.map_value.fields.items()}
    if kind == "array_value":
        return [decode(item) for item in value.array_value.values]
    if kind == "null_value":
        return None
    if kind == "timestamp_value":
        return value.timestamp_value.ToDatetime(tzinfo=UTC)
    raise TypeError(f"this service does not write {kind}")


def decode_fields(document: RawValue) -> dict[str, object]:
    """The fields of a raw document."""
    return {key: decode(value) for key, value in document.fields.items()}
