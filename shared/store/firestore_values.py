"""Plain Python data to Firestore values and back, on the raw protocol buffers.

The client library's own conversion is private to it, and goes through proto-plus, which copies each value.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from operator import attrgetter
from typing import Final

from shared.store.firestore_messages import Raw, Value

_NULL: Final = 0
"""The one value of protocol buffers' NullValue, whose module brings half a dozen others."""
_SCALARS: Final = {str: "string_value", int: "integer_value", float: "double_value"}


def encode(data: object) -> Raw:
    """A Firestore value for None, bool, int, float, str, an enum of these, an aware datetime, a list or a mapping with str keys.

    Times keep microseconds, as Firestore does.

    Raises:
        TypeError: anything else, or a datetime without time zone.
    """
    value = Value()
    _put(value, data)
    return value


def _put(value: Raw, data: object) -> None:
    if isinstance(data, Enum):
        data = data.value
    if data is None:
        value.null_value = _NULL
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


def encode_fields(data: Mapping[str, object]) -> dict[str, Raw]:
    """The fields of a document."""
    return {key: encode(item) for key, item in data.items()}


def decode(value: Raw) -> object:
    """The plain data of a Firestore value; timestamps are aware datetimes in UTC.

    Raises:
        TypeError: a kind of value that this service never writes.
    """
    kind = value.WhichOneof("value_type")
    try:
        read = _READERS[kind]
    except KeyError:
        raise TypeError(f"this service does not write {kind}") from None
    return read(value)


def decode_fields(document: Raw) -> dict[str, object]:
    """The fields of a raw document."""
    return _mapping(document)


def _mapping(holder: Raw) -> dict[str, object]:
    fields = holder.fields  # its items() is Python that looks each key up twice
    return {key: decode(fields[key]) for key in fields}


_READERS: Final[Mapping[str, Callable[[Raw], object]]] = {
    **{kind: attrgetter(kind) for kind in (*_SCALARS.values(), "boolean_value")},
    "map_value": lambda value: _mapping(value.map_value),
    "array_value": lambda value: [decode(item) for item in value.array_value.values],
    "null_value": lambda _: None,
    "timestamp_value": lambda value: value.timestamp_value.ToDatetime(tzinfo=UTC),
}
