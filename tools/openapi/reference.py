"""Build the page that documents the API, from the OpenAPI document: one file without scripts that loads nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from tools import ROOT
from tools.openapi.document import build
from tools.openapi.schemas import Json

FILE: Final = ROOT / "docs" / "reference.html"
TEMPLATE: Final = "reference.html.j2"
# Without HTML of its own, so that the text of a description cannot become markup.
MARKDOWN: Final = MarkdownIt("commonmark", {"html": False})


class Field(NamedTuple):
    """A field of a model, or a parameter of an operation."""

    name: str
    kind: Markup
    required: bool
    description: str


class Problem(NamedTuple):
    """An error response: its status, and the codes that it may have."""

    status: str
    codes: list[str]


def as_html() -> str:
    """Return the content of `docs/reference.html`."""
    document = build()
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"markdown": _markdown, "inline": _inline}
    models = {name: schema for name, schema in document["components"]["schemas"].items() if "properties" in schema}
    choices = {name: schema for name, schema in document["components"]["schemas"].items() if "enum" in schema}
    return environment.get_template(TEMPLATE).render(
        info=document["info"],
        groups=[(tag, list(_operations(document, tag["name"]))) for tag in document["tags"]],
        models={name: (schema.get("description", ""), list(_fields(schema))) for name, schema in models.items()},
        choices={name: (schema.get("description", ""), schema["enum"]) for name, schema in choices.items()},
    )


def _operations(document: Json, tag: str) -> Iterator[Json]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"]:
                yield {
                    "method": method.upper(),
                    "path": path,
                    "name": operation["operationId"],
                    "summary": operation["summary"],
                    "description": operation["description"],
                    "parameters": [_parameter(_resolved(document, each)) for each in operation["parameters"]],
                    "body": _media_kind(operation.get("requestBody", {})),
                    "response": _media_kind(operation["responses"]["200"]),
                    "problems": list(_problems(document, operation)),
                }


def _problems(document: Json, operation: Json) -> Iterator[Problem]:
    for status, found in operation["responses"].items():
        if int(status) >= 400:
            media = _resolved(document, found)["content"]["application/problem+json"]
            codes = {each["value"]["code"] for each in media.get("examples", {}).values()}
            yield Problem(status, sorted(codes))


def _parameter(found: Json) -> Field:
    return Field(
        found["name"],
        _kind(found["schema"]) + Markup(", {}").format(found["in"]),
        found.get("required", False),
        found.get("description", ""),
    )


def _fields(schema: Json) -> Iterator[Field]:
    for name, field in schema["properties"].items():
        yield Field(name, _kind(field), name in schema.get("required", ()), field.get("description", ""))


def _media_kind(found: Json) -> Markup | None:
    media = found.get("content", {}).get("application/json")
    return None if media is None else _kind(media["schema"])


def _kind(schema: Json) -> Markup:
    """Return the type of a value in words, with links to the models."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return Markup('<a href="#{0}">{0}</a>').format(name)
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return Markup(" or ").join(_kind(each) for each in several)
    if values := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return escape(", ".join(map(str, values)))
    if schema.get("type") == "array":
        return Markup("list of {}").format(_kind(schema.get("items", {})))
    kinds = schema.get("type", "any value")
    return escape(" or ".join(kinds) if isinstance(kinds, list) else kinds)


def _resolved(document: Json, content: Json) -> Json:
    found: Json = document
    if "$ref" not in content:
        return content
    for name in content["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def _markdown(text: str) -> Markup:
    return Markup(MARKDOWN.render(text))  # noqa: S704  # escaped by the renderer


def _inline(text: str) -> Markup:
    return Markup(MARKDOWN.renderInline(text))  # noqa: S704  # as above
