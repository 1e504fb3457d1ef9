"""Write the generated pages, schemas and the OpenAPI document: `make docs`."""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from pathlib import Path

import redis

from docs.reference import api_page, cli_page, dictionary_page
from incidentwire import __version__, events
from incidentwire.labels import Label
from incidentwire.log import codec, schemas
from incidentwire.settings import FILE, PREFIX, SECRETS, Settings
from incidentwire.web import openapi
from incidentwire.web.api_docs import merge
from incidentwire.web.api_docs.merge import merged
from incidentwire.web.api_docs.views import DOCUMENT
from services.api.app import create_app as create_api
from services.ingest.app import create_app as create_ingest

DOCS = Path(__file__).parent
EXAMPLES = DOCS / "openapi_examples.json"
COMPOSE = DOCS.parent / "docker-compose.yml"
COMPOSE_BEGIN = "    # Without a value: passed on if .env or the shell sets it. Made by `make docs`.\n"
COMPOSE_END = "    # end of the settings\n"

EVENTS_HEAD = """# Events

Every subscriber (`/v1/events`, the stream, exports) sees the same [CloudEvents 1.0](https://cloudevents.io) envelope:

```json
{"specversion": "1.0", "id": "3", "source": "urn:incidentwire:<log_id>", "type": "item.classified",
 "subject": "i_…", "time": "2026-05-31T10:00:00.000Z", "sequence": 3, "datacontenttype": "application/json",
 "data": {"labels": ["data_leak"], "…": "…"}}
```

`sequence` is the position: 1, 2, 3 … without gaps. `id` is the same as text. A field of `data` that has its default is
left out. A JSON Schema for each type stands in `schemas/` here and under `/v1/schemas/<type>`. No event holds words of
a page: digests name what the archive keeps, offsets count Unicode code points of the text that `text_digest` names.

This page is made from `incidentwire/events.py` by `make docs`.
"""
SETTINGS_HEAD = """# Settings

Every process reads the same settings from its environment, once. A value that makes no sense, and a name with the
prefix that is no setting, stop the process with a message that says what to write instead.

A secret may stand in a file: `_FILE` after its name names the file, as in `INCIDENTWIRE_SMTP_PASSWORD_FILE`. This holds
for `REDIS_URL`, `FINGERPRINT_KEY`, `KEY`, `OPINION_KEY`, `SECRETS_KEY` and `SMTP_PASSWORD`.

This page is made from `incidentwire/settings.py` by `make docs`.

| variable | default | what it is |
|---|---|---|
"""


def pages() -> dict[str, str]:
    """Path below docs/ -> text, of every generated file."""
    found = {
        "events.md": _events(),
        "settings.md": _settings(),
        "cli.md": cli_page(),
        "data-dictionary.md": dictionary_page(),
        "api.md": api_page(json.loads(openapi_document())),
    }
    for name in events.TYPES:
        schema = json.dumps(schemas.envelope_schema(name), indent=2, ensure_ascii=False)
        found[f"schemas/{name}.json"] = schema + "\n"
    return found


def _events() -> str:
    parts = [EVENTS_HEAD]
    for name, cls in events.TYPES.items():
        schema = schemas.data_schema(name)
        parts.append(f"## `{name}`\n")
        if schema["description"]:
            parts.append(schema["description"] + "\n")
        parts.append("| field | type | default |\n|---|---|---|")
        hints = typing.get_type_hints(cls)
        for field in dataclasses.fields(cls):
            name = codec.stored_name(field)
            default = "required"
            if name not in schema["required"]:
                default = f"`{codec.default_text(field)}`"
            parts.append(f"| `{name}` | {_type(hints[field.name])} | {default} |")
        parts.append("")
    return "\n".join(parts)


def _type(hint: typing.Any) -> str:
    text = (
        str(hint) if typing.get_origin(hint) else getattr(hint, "__name__", str(hint))
    )
    for long, short in (
        (str(Label), "label"),
        ("collections.abc.", ""),
        ("typing.", ""),
        ("incidentwire.labels.", ""),
        ("incidentwire.events.", ""),
        ("NoneType", "null"),
        ("None", "null"),
    ):
        text = text.replace(long, short)
    return text.replace("|", "or")


def _settings() -> str:
    rows = []
    for field in dataclasses.fields(Settings):
        value = field.default
        shown = str(value)
        if isinstance(value, bool):
            shown = shown.lower()
        if isinstance(value, frozenset):
            value = sorted(value)
        if isinstance(value, list | tuple):
            shown = ",".join(map(str, value))
        rows.append(
            f"| `{PREFIX}{field.name.upper()}` | {f'`{shown}`' if shown else ''} | {field.metadata['doc']} |"
        )
    return SETTINGS_HEAD + "\n".join(rows) + "\n"


def compose_with_settings(text: str) -> str:
    """Return docker-compose.yml with a line for each setting that it does not fix."""
    begin, rest = text.split(COMPOSE_BEGIN)
    _, end = rest.split(COMPOSE_END)
    fixed = set(re.findall(rf"^    ({PREFIX}\w+): \S", begin, re.MULTILINE))
    fixed |= {name.removesuffix(FILE.upper()) for name in fixed}
    names = [f"{PREFIX}{field.name.upper()}" for field in dataclasses.fields(Settings)]
    names = [name for name in names if name not in fixed]
    secrets = [f"{PREFIX}{name}".upper() for name in sorted(SECRETS)]
    names += [f"{name}{FILE.upper()}" for name in secrets if name in names]
    lines = "".join(f"    {name}:\n" for name in names)
    return f"{begin}{COMPOSE_BEGIN}{lines}{COMPOSE_END}{end}"


def openapi_document() -> str:
    """Return the OpenAPI document of both services, with examples."""
    settings = Settings()
    connection = redis.Redis()  # never asked
    own = [
        openapi.document(create_app(settings, connection))
        for create_app in (create_api, create_ingest)
    ]
    document = merged(*own, __version__)
    add_examples(document, json.loads(EXAMPLES.read_text(encoding="utf-8")))
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def add_examples(
    document: dict[str, typing.Any], examples: dict[str, dict[str, typing.Any]]
) -> None:
    """Add examples of requests and answers by operation id. Raises KeyError."""
    operations = {found["operationId"]: found for found in merge.operations(document)}
    for name, example in examples.items():
        operation = operations[name]
        if "request" in example:
            content = operation["requestBody"]["content"]["application/json"]
            content["example"] = example["request"]
        if "answer" in example:
            status = min(s for s in operation["responses"] if s.startswith("2"))
            content = operation["responses"][status]["content"]["application/json"]
            content["example"] = example["answer"]


def main() -> None:
    """Write every page."""
    DOCUMENT.write_text(openapi_document(), encoding="utf-8")
    text = COMPOSE.read_text(encoding="utf-8")
    COMPOSE.write_text(compose_with_settings(text), encoding="utf-8")
    for name, text in pages().items():
        path = DOCS / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
