"""Calls to the ingest service over HTTP, as the person who signed in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from flask import current_app, request

from incidentwire.net.client import HttpClient, OutboundError, RequestLimits
from incidentwire.settings import Settings
from incidentwire.web.problems import Problem
from incidentwire.web.sessions import COOKIE, CSRF_HEADER
from services.api.dashboard import messages
from services.api.dashboard.layout import session
from services.api.http import settings

LIMITS = RequestLimits(
    connect_s=1.0, read_s=10.0, total_s=20.0, max_bytes=20_000_000, max_redirects=0
)
GLANCE = RequestLimits(
    connect_s=0.5, read_s=1.5, total_s=2.0, max_bytes=5_000_000, max_redirects=0
)  # for a number on the front page


@dataclass(frozen=True)
class Reply:
    """An answer of ingest: its status and its JSON, None if it has none."""

    status: int
    body: Any


class IngestUnavailable(Exception):
    """The ingest service does not answer."""


def make_client(of: Settings) -> HttpClient:
    """Return a client that may reach the ingest service, wherever it is."""
    parts = urlsplit(of.ingest_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = f"{(parts.hostname or '').lower()}:{port}"
    return HttpClient(
        user_agent="Incidentwire dashboard", allowed_hosts=frozenset({host})
    )


def get(path: str, limits: RequestLimits = LIMITS) -> Reply:
    """Return the answer to GET. Raises IngestUnavailable."""
    return _call("GET", path, b"", "", limits)


def post(path: str, body: Any, media_type: str = "application/json") -> Reply:
    """Return the answer to POST; `body` is bytes or becomes JSON. Raises IngestUnavailable."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return _call("POST", path, data, media_type, LIMITS)


def delete(path: str) -> Reply:
    """Return the answer to DELETE. Raises IngestUnavailable."""
    return _call("DELETE", path, b"", "", LIMITS)


def refused(reply: Reply) -> Problem:
    """Return the problem that ingest answered with."""
    about: Mapping[str, Any] = reply.body if isinstance(reply.body, dict) else {}
    errors = "; ".join(
        f"{error.get('field')}: {messages.translate(error.get('message'))}"
        for error in about.get("errors", ())
    )
    detail = errors or str(about.get("detail") or "The ingest service refused this.")
    return Problem(status=reply.status, slug="ingest", detail=detail)


def _call(
    method: str, path: str, body: bytes, media_type: str, limits: RequestLimits
) -> Reply:
    client = cast("HttpClient", current_app.extensions["incidentwire.ingest"])
    url = settings().ingest_url.rstrip("/") + path
    headers = _credentials()
    try:
        if method == "GET":
            answer = client.get(url, headers, limits)
        elif method == "DELETE":
            answer = client.delete(url, headers, limits)
        else:
            answer = client.post(
                url, body, {**headers, "Content-Type": media_type}, limits
            )
    except OutboundError as error:
        raise IngestUnavailable(error.detail) from None
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = answer.body.decode("utf-8", "replace")
    return Reply(answer.status, found)


def _credentials() -> dict[str, str]:
    """Return the headers by which ingest knows the person, too."""
    headers = {"Accept": "application/json"}
    found = session()
    if found is not None:
        headers["Cookie"] = f"{COOKIE}={request.cookies.get(COOKIE, '')}"
        headers[CSRF_HEADER] = found.csrf
    elif "Authorization" in request.headers:
        headers["Authorization"] = request.headers["Authorization"]
    return headers
