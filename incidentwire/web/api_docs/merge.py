"""The documents of two services, joined into one."""

from __future__ import annotations

import json
from typing import Any

API_SERVER = "urn:incidentwire:api"  # replaced by the address when it is served
INGEST_SERVER = "urn:incidentwire:ingest"
DESCRIPTION = (
    "A newswire of data and AI harms. Two services share these paths: each path of the"
    " ingest service names its server. Every request but those of health needs"
    " `Authorization: Bearer iwk_…`, a key of `incidentwire keys create`. Errors are"
    " problem details (RFC 9457)."
)

Document = dict[str, Any]


def merged(api: Document, ingest: Document, version: str) -> Document:
    """Return one document; a path that both have is described as the API's.

    A schema of the ingest service gets the prefix `Ingest` if the API has another
    schema of that name. Raises ValueError if two operations have the same id.
    """
    ingest = _without_clashes(ingest, api["components"]["schemas"])
    paths = {
        path: {**operations, "servers": [{"url": INGEST_SERVER}]}
        for path, operations in ingest["paths"].items()
        if path not in api["paths"]
    }
    found: Document = {
        "openapi": api["openapi"],
        "info": {
            "title": "Incidentwire",
            "version": version,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": API_SERVER}],
        "tags": _distinct(api["tags"] + ingest["tags"]),
        "paths": dict(sorted((paths | api["paths"]).items())),
        "components": _merged_components(api["components"], ingest["components"]),
    }
    _check_ids(found)
    return found


def operations(document: Document) -> list[Document]:
    """Return all operations of a document."""
    return [
        operation
        for methods in document["paths"].values()
        for name, operation in methods.items()
        if name not in ("parameters", "servers")
    ]


def _check_ids(document: Document) -> None:
    ids = [operation["operationId"] for operation in operations(document)]
    repeated = sorted({name for name in ids if ids.count(name) > 1})
    if repeated:
        raise ValueError(
            f"Two operations are named {', '.join(repeated)}. Name them apart in"
            " incidentwire/web/operation_ids.py."
        )


def _without_clashes(document: Document, taken: Document) -> Document:
    schemas = document["components"]["schemas"]
    text = json.dumps(document)
    for name, schema in schemas.items():
        if taken.get(name, schema) != schema:
            old = json.dumps(f"#/components/schemas/{name}")
            text = text.replace(old, json.dumps(f"#/components/schemas/Ingest{name}"))
    found: Document = json.loads(text)
    found["components"]["schemas"] = {
        name if taken.get(name, schemas[name]) == schemas[name] else f"Ingest{name}": x
        for name, x in found["components"]["schemas"].items()
    }
    return found


def _merged_components(api: Document, ingest: Document) -> Document:
    return {
        kind: dict(sorted((ingest.get(kind, {}) | api.get(kind, {})).items()))
        for kind in sorted({*api, *ingest})
    }


def _distinct(tags: list[Document]) -> list[Document]:
    return list({tag["name"]: tag for tag in tags}.values())
