"""The reference pages of the command line and of the API, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from cli.main import COMMANDS, command
from incidentwire.web.api_docs.merge import operations
from services.api.dashboard import tables as incidents
from services.api.incidents import exports
from services.api.items import table as items

HELP_WIDTH = 88  # characters
SHORT_EXAMPLE = 60  # lines
MANY = 8  # values that a table would not hold
DICTIONARY_HEAD = """# Columns of the tables

CSV in UTF-8, one header line, no units in cells. Lists within a cell are separated by spaces. A cell that a spreadsheet
would take for a formula begins with an apostrophe.

This page is made from the columns' own table by `make docs`.
"""
CLI_HEAD = """# Command line

`incidentwire` runs an installation and talks to one. What it prints for people is a table in a terminal and
tab-separated lines with a header in a pipe; with `--json`, it is one JSON object a line.

This page is made from the commands' own help by `make docs`.
"""
API_HEAD = """# HTTP API

Two services share the paths below `/v1`: ingest (port 8001 without containers) has `/v1/submissions` and
`/v1/feeds`, the API (port 8000) has everything else. Both serve one OpenAPI 3.1 document at `/openapi.json`, a page to
try it at `/docs`, and `/asyncapi.json` for streams and webhooks.

- **Keys**: `Authorization: Bearer iwk_…`, made by `incidentwire keys create NAME --scope read`. Scopes are `submit`,
  `read`, `curate` and `admin`; a key with `admin` may do everything.
- **Errors** are problem details (RFC 9457, `application/problem+json`): `type`, `title`, `status`, `detail` and, for
  422, `errors` by field. 401 the key is missing or unknown, 403 it lacks a scope, 404 it does not exist, 409 it
  has changed since you saw it, 410 it was withdrawn, 422 parameters or fields are invalid, 429 the quota is used
  up, 503 the store is unavailable or full. 429 and 503 carry `Retry-After`.
- **Lists** answer with `next`, the cursor of the following page; give it back unchanged as `cursor`.
- **Commands** answer with `position`; give it as `min_position` to a read that must already show the change.

This page is made from the OpenAPI document by `make docs`.
"""


def dictionary_page() -> str:
    """Return the columns of the tables."""
    tables = (
        ("Items", "`GET /v1/items/export.csv`: one row for each item", items.COLUMNS),
        (
            "Incidents",
            "`/incidents.csv` and `/incidents.xlsx`, whose second sheet has the same"
            " table: one row for each incident",
            incidents.COLUMNS,
        ),
        (
            "Incidents of the API",
            "`GET /v1/incidents/export.csv`: one row for each incident, with ids. The"
            " table of items has more of each report",
            exports.COLUMNS,
        ),
    )
    parts = [DICTIONARY_HEAD]
    for title, about, columns in tables:
        rows = "\n".join(f"| `{name}` | {text} |" for name, text in columns.items())
        parts.append(
            f"## {title}\n\n{about}.\n\n| column | meaning |\n|---|---|\n{rows}\n"
        )
    return "\n".join(parts)


def cli_page() -> str:
    """Return the help of every command."""
    root = click.Context(command, info_name="incidentwire", **command.context_settings)
    parts = [CLI_HEAD, _help(root)]
    for name in COMMANDS:
        found = command.get_command(root, name)
        assert found is not None
        parts += _commands(click.Context(found, root, name))
    return "\n".join(parts)


def _commands(context: click.Context) -> Iterator[str]:
    level = "#" * (1 + context.command_path.count(" "))
    yield f"{level} `{context.command_path}`\n"
    yield _help(context)
    if isinstance(context.command, click.Group):
        for name, part in context.command.commands.items():
            yield from _commands(click.Context(part, context, name))


def _help(context: click.Context) -> str:
    formatter = click.HelpFormatter(width=HELP_WIDTH, max_width=HELP_WIDTH)
    context.command.format_help(context, formatter)
    return f"```text\n{formatter.getvalue().rstrip()}\n```\n"


def api_page(document: dict[str, Any]) -> str:
    """Return the operations of an OpenAPI document by tag."""
    found = list(operations(document))
    paths = {
        operation["operationId"]: f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if isinstance(operation, dict) and "operationId" in operation
    }
    parts = [API_HEAD]
    for tag in document["tags"]:
        parts.append(f"## {tag['description']}\n")
        for operation in found:
            if operation["tags"] == [tag["name"]]:
                parts.append(f"### `{paths[operation['operationId']]}`\n")
                parts += _operation(operation)
    return "\n".join(parts)


def _operation(operation: dict[str, Any]) -> Iterator[str]:
    yield operation["summary"] + "\n"
    if operation.get("description"):
        yield operation["description"] + "\n"
    if operation.get("parameters"):
        yield "| parameter | type | meaning |\n|---|---|---|"
        yield from map(_parameter, operation["parameters"])
        yield ""
    yield from _example("Request", operation.get("requestBody", {}))
    success = min(status for status in operation["responses"] if status < "3")
    yield from _example(f"Answer {success}", operation["responses"][success])


def _parameter(parameter: dict[str, Any]) -> str:
    needed = ", required" if parameter.get("required") else ""
    meaning = parameter.get("description", "").replace("|", "\\|")
    schema = parameter["schema"]
    return f"| `{parameter['name']}` | {_type(schema)}{needed} | {meaning} |"


def _type(schema: dict[str, Any]) -> str:
    if len(schema.get("enum", ())) in range(1, MANY):
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    kind = schema.get("format", schema.get("type", "string"))
    default = f", default `{schema['default']}`" if "default" in schema else ""
    return f"{kind}{default}"


def _example(title: str, body: dict[str, Any]) -> Iterator[str]:
    example = body.get("content", {}).get("application/json", {}).get("example")
    if example is None:
        return
    text = json.dumps(example, indent=1, ensure_ascii=False)
    if text.count("\n") > SHORT_EXAMPLE:
        text = json.dumps(example, ensure_ascii=False)
    yield f"{title}, such as:\n\n```json\n{text}\n```\n"
