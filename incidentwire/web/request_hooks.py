"""What both services do with every request and answer: CORS, and safe headers."""

from __future__ import annotations

from flask import Flask, Response, request

from incidentwire.settings import Settings
from incidentwire.web.problems import Problem

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS = "Authorization, Content-Type, Last-Event-ID, traceparent"
EXPOSED_HEADERS = (
    "Content-Location, Incidentwire-Cursor, Incidentwire-Last, Location, RateLimit, "
    "RateLimit-Policy, Retry-After"
)
PREFLIGHT_AGE_S = 600  # Chromium keeps a preflight answer for two hours at most


def register(app: Flask, settings: Settings) -> None:
    """Add the hooks. Call this before routes are added.

    Cross-origin requests are allowed from `cors_origins` only. OPTIONS is answered for
    such a preflight request and refused with 405 otherwise.
    """
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    origins = settings.cors_origins

    def before() -> Response | None:
        if "Host" not in request.headers and _is_http_1_1():
            detail = "The Host header is missing. HTTP/1.1 requires it."
            raise Problem(status=400, slug="host-missing", detail=detail)
        if _is_preflight() and _is_allowed(origins):
            return Response(status=204)
        return None

    def after(response: Response) -> Response:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        # Answers depend on the key, and withdrawn content must not survive in caches.
        response.headers.setdefault("Cache-Control", "no-store")
        response.vary.update(("Authorization", "Accept"))
        if origins:
            response.vary.add("Origin")
            if _is_allowed(origins):
                _allow_origin(response)
        return response

    app.before_request(before)
    app.after_request(after)


def _is_http_1_1() -> bool:
    return request.environ.get("SERVER_PROTOCOL") == "HTTP/1.1"


def _is_preflight() -> bool:
    is_options = request.method == "OPTIONS"
    return is_options and "Access-Control-Request-Method" in request.headers


def _is_allowed(origins: frozenset[str]) -> bool:
    origin = request.headers.get("Origin")
    return origin is not None and (origin in origins or "*" in origins)


def _allow_origin(response: Response) -> None:
    headers = response.headers
    headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
    headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    if _is_preflight():
        headers["Access-Control-Allow-Methods"] = METHODS
        headers["Access-Control-Allow-Headers"] = REQUEST_HEADERS
        headers["Access-Control-Max-Age"] = str(PREFLIGHT_AGE_S)
