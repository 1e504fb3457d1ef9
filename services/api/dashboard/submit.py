"""Submit articles: one address, many, or a text. Posts to ingest as the person."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, request

from services.api.dashboard import ingest_client, messages
from services.api.dashboard.language import translate as _
from services.api.dashboard.layout import go_to, page, page_blueprint, render
from services.api.http import public_url

MAX_LINES = 1_000  # of one paste
FIELDS = ("url", "title", "text", "published", "language")

blueprint = page_blueprint("submit")


@blueprint.get("/submit")
@page("submit")
def show() -> Response:
    """Show the form, filled in from the query: ?url=…&title=…&text=…"""
    return _form({name: request.args.get(name, "") for name in FIELDS})


@blueprint.post("/submit")
@page("submit")
def send() -> Response:
    """Submit one article, or a list with an address on each line."""
    lines = request.form.get("many", "").split()
    upload = request.files.get("file")
    if upload is not None:
        lines += upload.read().decode("utf-8", "replace").split()
    if lines:
        return _send_many(lines)
    given = {name: request.form.get(name, "").strip() for name in FIELDS}
    body = {name: value for name, value in given.items() if value}
    try:
        reply = ingest_client.post("/v1/submissions", body)
    except ingest_client.IngestUnavailable:
        return _form(given, _away(), 503)
    if reply.status >= 400:
        return _form(given, ingest_client.refused(reply).detail, reply.status)
    return go_to(f"/items/{reply.body['id']}")


def _send_many(lines: list[str]) -> Response:
    """Submit a list; each address gets its own answer."""
    text = "\n".join(lines)
    if len(lines) > MAX_LINES:
        wrong = _("That is more than 1,000 addresses. Send them in parts.")
        return _form({}, wrong, 422, many=text)
    body = "\n".join(json.dumps({"url": line}) for line in lines).encode()
    try:
        reply = ingest_client.post("/v1/submissions", body, "application/x-ndjson")
    except ingest_client.IngestUnavailable:
        return _form({}, _away(), 503, many=text)
    if reply.status >= 400:
        return _form({}, ingest_client.refused(reply).detail, reply.status, many=text)
    rows = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
    results = [json.loads(row) for row in rows.splitlines() if row.strip()]
    receipts = [
        {"url": line, **_outcome(result)}
        for line, result in zip(lines, results, strict=False)
    ]
    return render("submitted.html", receipts=receipts)


def _outcome(result: dict[str, Any]) -> dict[str, Any]:
    """Return the id, or what is wrong."""
    if result.get("id"):
        return {"id": result["id"], "known": result.get("known", False), "wrong": None}
    errors = [
        messages.translate(error.get("message")) for error in result.get("errors", ())
    ]
    wrong = "; ".join(errors) or str(result.get("detail") or _("refused"))
    return {"id": None, "known": False, "wrong": wrong}


def _form(
    given: dict[str, str], wrong: str = "", status: int = 200, many: str = ""
) -> Response:
    target = json.dumps(public_url("/submit"))
    bookmarklet = (
        f"javascript:location.href={target}+'?url='+encodeURIComponent(location.href)"
        "+'&title='+encodeURIComponent(document.title)"
    )
    return render(
        "submit.html",
        status,
        given=given,
        wrong=wrong,
        many=many,
        bookmarklet=bookmarklet,
    )


def _away() -> str:
    return _(
        "The ingest service does not answer. Nothing was accepted; what you wrote is "
        "kept here. Try again in a moment."
    )
