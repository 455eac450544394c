"""JSON Schemas of the wire models, with the component names that the document uses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from shared.fields import rfc3339

Json = dict[str, Any]
Mode = Literal["validation", "serialization"]

REF: Final = "#/components/schemas/{model}"
# White space of Unicode that is trimmed from both ends of a question, as the content of a character class.
TRIMMED: Final = r"\t\n\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# Characters that a question must not contain; some of them are also white space.
CONTROLS: Final = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"


@dataclass(frozen=True)
class Schemas:
    """JSON Schemas of types by the caller's key, and the named schemas that they refer to."""

    of: Mapping[str, Json]
    named: Json


class _Generator(GenerateJsonSchema):
    """Generator that describes what the service accepts and returns where pydantic's schemas are too narrow or too wide."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002  # pydantic's signature
        """Omit titles, which only repeat field names."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> Json:
        """Keep response schemas open, because fields may be added."""
        content = super().model_schema(schema)
        content.pop("title", None)
        if self.mode == "serialization":
            content.pop("additionalProperties", None)
        return content

    def enum_schema(self, schema: core_schema.EnumSchema) -> Json:
        """Omit titles, which only repeat the names of enumerations."""
        content = super().enum_schema(schema)
        content.pop("title", None)
        return content

    def str_schema(self, schema: core_schema.StringSchema) -> Json:
        """Express length limits after trimming as a pattern: `maxLength` would reject white space that the service trims."""
        content = super().str_schema(schema)
        if schema.get("strip_whitespace"):
            content["pattern"] = trimmed_pattern(content["minLength"], content.pop("maxLength"))
        return content

    def ser_schema(self, schema: Any) -> Json | None:  # noqa: ANN401  # pydantic's union of all serializations
        """Describe times as RFC 3339; their serializer alone yields `string`."""
        if schema.get("function") is rfc3339:
            return {"type": "string", "format": "date-time"}
        return super().ser_schema(schema)


def trimmed_pattern(least: int, most: int) -> str:
    """Return a pattern for text without control characters whose length after trimming is in [least, most]; `least` is at least 2."""
    end = rf"[^{TRIMMED}{CONTROLS}]"
    return rf"^[{TRIMMED}]*{end}[^{CONTROLS}]{{{least - 2},{most - 2}}}{end}[{TRIMMED}]*$"


def schemas(types: Mapping[str, tuple[Any, Mode]]) -> Schemas:
    """Return the schemas of types, each either of a request (`validation`) or of a response (`serialization`)."""
    found, definitions = TypeAdapter.json_schemas(
        [(key, mode, TypeAdapter(kind)) for key, (kind, mode) in types.items()],
        ref_template=REF,
        schema_generator=_Generator,
    )
    # A model of both requests and responses has two schemas: the one of requests keeps the name.
    text = json.dumps([{key: schema for (key, _), schema in found.items()}, definitions.get("$defs", {})])
    of, named = json.loads(text.replace("-Input", "").replace("-Output", "Echo"))
    return Schemas(of, dict(sorted(named.items())))


def optional(schema: Json) -> Json:
    """Return the schema of an optional parameter without null: clients omit the parameter instead."""
    content = {name: value for name, value in schema.items() if not (name == "default" and value is None)}
    choices: list[Json] = [choice for choice in content.pop("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        content |= choices.pop()
    return content | ({"anyOf": choices} if choices else {})
