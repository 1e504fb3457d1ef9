"""Style sheet, scripts and icon: served by us, under addresses that name their content."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, request

from services.api.errors import NotFound

FOLDER = Path(__file__).parent / "assets"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
YEAR_S = 365 * 24 * 3600

blueprint = Blueprint("page_assets", __name__)


def address(name: str) -> str:
    """Return the link to an asset; it changes with the content."""
    return f"{request.script_root}/assets/{_digest(name)}/{name}"


@blueprint.get("/assets/<digest>/<name>")
def show(digest: str, name: str) -> Response:
    """Serve an asset; it may be kept for a year."""
    if name not in _names() or digest != _digest(name):
        raise NotFound("No such file.")
    path = FOLDER / name
    answer = Response(path.read_bytes(), mimetype=TYPES[path.suffix])
    answer.headers["Cache-Control"] = f"public, max-age={YEAR_S}, immutable"
    return answer


show._scope = ("public",)  # type: ignore[attr-defined]


@cache
def _names() -> frozenset[str]:
    return frozenset(p.name for p in FOLDER.iterdir() if p.suffix in TYPES)


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:16]
