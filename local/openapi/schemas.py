"""The models as JSON Schema, under the names that they have in the document."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from local.openapi.descriptions import FIELDS
from shared.fields import rfc3339

Json = dict[str, Any]
Mode = Literal["validation", "serialization"]

PLACE: Final = "#/components/schemas/{model}"
TRIMMED: Final = r"\t\n\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What is trimmed from both ends of a question: Unicode's white space, as the inside of a character class."""
CONTROLS: Final = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"
"""What a question has nowhere; some of it would be white space too."""


@dataclass(frozen=True)
class Schemas:
    """JSON Schemas of types, and the named ones that they refer to."""

    of: Mapping[str, Json]
    named: Json


class _Generator(GenerateJsonSchema):
    """Says what the service really takes and gives, where pydantic's own words are too narrow or too wide."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002  # pydantic's signature
        """A field's name is title enough."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> Json:
        """Describe each field; leave answers open, since fields may be added to them."""
        content = super().model_schema(schema)
        content.pop("title", None)
        if self.mode == "serialization":
            content.pop("additionalProperties", None)
        texts = FIELDS.get(schema["cls"].__name__, {})
        for name, field in content.get("properties", {}).items():
            if name in texts:
                field["description"] = texts[name]
        return content

    def enum_schema(self, schema: core_schema.EnumSchema) -> Json:
        """An enumeration's name is title enough."""
        content = super().enum_schema(schema)
        content.pop("title", None)
        return content

    def str_schema(self, schema: core_schema.StringSchema) -> Json:
        """Bounds that count after trimming are a pattern: as `maxLength`, they would refuse blanks that the service trims."""
        content = super().str_schema(schema)
        if schema.get("strip_whitespace"):
            content["pattern"] = trimmed_pattern(content["minLength"], content.pop("maxLength"))
        return content

    def ser_schema(self, schema: Any) -> Json | None:  # noqa: ANN401  # pydantic's union of all serialisations
        """A moment goes out as RFC 3339; its serialiser alone would say no more than `string`."""
        if schema.get("function") is rfc3339:
            return {"type": "string", "format": "date-time"}
        return super().ser_schema(schema)


def trimmed_pattern(least: int, most: int) -> str:
    """A pattern of texts without control characters that have so many characters once both ends are trimmed; at least two."""
    end = rf"[^{TRIMMED}{CONTROLS}]"
    return rf"^[{TRIMMED}]*{end}[^{CONTROLS}]{{{least - 2},{most - 2}}}{end}[{TRIMMED}]*$"


def schemas(types: Mapping[str, tuple[Any, Mode]]) -> Schemas:
    """The schemas of these types.

    Args:
        types: by a key of the caller's: the type, and whether it is taken (`validation`) or given (`serialization`).
    """
    found, definitions = TypeAdapter.json_schemas(
        [(key, mode, TypeAdapter(kind)) for key, (kind, mode) in types.items()],
        ref_template=PLACE,
        schema_generator=_Generator,
    )
    # A model that is both taken and given has two schemas: what is taken keeps the name.
    text = json.dumps([{key: schema for (key, _), schema in found.items()}, definitions.get("$defs", {})])
    of, named = json.loads(text.replace("-Input", "").replace("-Output", "Echo"))
    return Schemas(of, dict(sorted(named.items())))


def optional(schema: Json) -> Json:
    """A parameter's schema: one that is left out is not sent, so it is never null and needs no default of null."""
    kept = {name: value for name, value in schema.items() if not (name == "default" and value is None)}
    choices: list[Json] = [choice for choice in kept.pop("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        kept |= choices.pop()
    return kept | ({"anyOf": choices} if choices else {})
