"""JSON Schemas of the wire models, with the component names that the document uses."""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from shared.fields import rfc3339

Json = dict[str, Any]
Mode = Literal["validation", "serialization"]

# White space of Unicode that is trimmed from both ends of a question, as the content of a character class.
TRIMMED: Final = r"\t\n\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# Characters that a question must not contain; some of them are also white space.
CONTROLS: Final = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"
# Invisible characters of the Basic Multilingual Plane, which are removed from a question and do not count. Escapes of other planes mean
# different things to different readers of patterns.
INVISIBLE: Final = (
    r"\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u2064\u2066-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
)


class Schemas(NamedTuple):
    """JSON Schemas of types by the caller's key, and the named schemas that they refer to."""

    of: Mapping[str, Json]
    named: Json


class _Generator(GenerateJsonSchema):
    """Generator that describes what the service accepts and returns where pydantic's schemas are too narrow or too wide."""

    def model_schema(self, schema: core_schema.ModelSchema) -> Json:
        """Keep response schemas open, because fields may be added."""
        content = super().model_schema(schema)
        if self.mode == "serialization":
            content.pop("additionalProperties", None)
        return content

    def str_schema(self, schema: core_schema.StringSchema) -> Json:
        """Express length limits after trimming as a pattern: `maxLength` would reject white space that the service trims."""
        content = super().str_schema(schema)
        if schema.get("strip_whitespace"):
            least, most = content["minLength"] - 2, content.pop("maxLength") - 2
            inner = f"([{INVISIBLE}]*[^{CONTROLS}{INVISIBLE}]){{{least},{most}}}[{INVISIBLE}]*"
            end, outside = f"[^{TRIMMED}{CONTROLS}{INVISIBLE}]", f"[{TRIMMED}{INVISIBLE}]*"
            content["pattern"] = f"^{outside}{end}{inner}{end}{outside}$"
        return content

    def ser_schema(self, schema: Any) -> Json | None:  # noqa: ANN401  # pydantic's union of all serializations
        """Describe times as RFC 3339; their serializer alone yields `string`."""
        if schema.get("function") is rfc3339:
            return {"type": "string", "format": "date-time"}
        return super().ser_schema(schema)


def schemas(types: Mapping[str, tuple[Any, Mode]]) -> Schemas:
    """Return the schemas of types, each either of a request (`validation`) or of a response (`serialization`)."""
    found, definitions = TypeAdapter.json_schemas(
        [(key, mode, TypeAdapter(kind)) for key, (kind, mode) in types.items()],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Generator,
    )
    # A model of both requests and responses has two schemas: the one of requests keeps the name.
    text = json.dumps([{key: schema for (key, _), schema in found.items()}, definitions.get("$defs", {})])
    text = text.replace("-Input", "").replace("-Output", "Echo")
    return Schemas(*json.loads(text, object_hook=_without_title))


def _without_title(content: Json) -> Json:
    """Remove the title of a schema, which only repeats a name, but not a property that is called title."""
    return {key: value for key, value in content.items() if key != "title" or isinstance(value, dict)}
