"""The AsyncAPI 3.0 document: what the log sends, on streams, webhooks and groups.

Derived from the event types, as the schemas of the events are. The specification:
https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from incidentwire import __version__
from incidentwire.events import TYPES
from incidentwire.log import schemas

# Messages of a stream that are no events of the log.
STREAM_ONLY = {
    "checkpoint": (
        "How far the log was examined; resume after it.",
        {"position": "integer", "matched": "integer", "log_id": "string"},
    ),
    "gap": (
        "The log does not continue from the cursor: load the state at `load`, then go on.",
        {"first": "integer", "last": "integer", "log_id": "string", "load": "string"},
    ),
}


def document(api_url: str) -> dict[str, Any]:
    """Return the document of an installation."""
    parts = urlsplit(api_url)
    names = [_key(name) for name in sorted(TYPES)]
    channels = {
        "stream": _channel(
            "/v1/events/stream",
            "The log as Server-Sent Events; `id` is the cursor of the event: its position "
            "and the beginning of its digest. `event` is the type.",
            [*names, *STREAM_ONLY],
        ),
        "webhook": _channel(
            None,
            "POST to the address of a webhook subscription, signed by Standard Webhooks.",
            ["webhook"],
        ),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Incidentwire",
            "version": __version__,
            "description": "Events of a newswire of data and AI harms.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "api": {"host": parts.netloc, "protocol": parts.scheme or "http"},
        },
        "channels": channels,
        "operations": {
            f"send_{name}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": channel["description"],
            }
            for name, channel in channels.items()
        },
        "components": {"messages": _messages()},
    }


def _channel(address: str | None, about: str, messages: list[str]) -> dict[str, Any]:
    refs = {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
    return {"address": address, "description": about, "messages": refs}


def _messages() -> dict[str, Any]:
    found = {_key(name): _event(name) for name in sorted(TYPES)}
    for name, (about, fields) in STREAM_ONLY.items():
        found[name] = _message(name, about, _object(fields))
    webhook = _object({"type": "string", "timestamp": "string", "data": "object"})
    webhook["properties"]["data"] = {
        "type": "object",
        "properties": {
            "event": {"type": "object", "description": "one of the events"},
            "summary": {"type": "string"},
            "is_correction": {"type": "boolean"},
            "link": {"type": "string"},
        },
        "required": ["event", "summary", "is_correction", "link"],
    }
    found["webhook"] = _message("webhook", "An event with its subject.", webhook)
    return found


def _event(type_name: str) -> dict[str, Any]:
    payload = schemas.envelope_schema(type_name)
    del payload["$schema"]
    about = payload["properties"]["data"]["description"]
    return _message(type_name, about, payload)


def _message(name: str, about: str, payload: dict[str, Any]) -> dict[str, Any]:
    message = {"name": name, "contentType": "application/json", "payload": payload}
    return message | ({"summary": about} if about else {})


def _object(fields: dict[str, str]) -> dict[str, Any]:
    properties = {name: {"type": kind} for name, kind in fields.items()}
    return {"type": "object", "properties": properties, "required": list(fields)}


def _key(type_name: str) -> str:
    """Return the name of a component: letters, digits and underscores."""
    return type_name.replace(".", "_")
