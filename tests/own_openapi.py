"""The part of the OpenAPI document that one service answers for."""

from __future__ import annotations

from typing import Any

import schemathesis
from flask import Flask

from incidentwire.web import openapi


def own_schema(app: Flask) -> Any:
    """Return the app's operations for schemathesis."""
    schema = schemathesis.openapi.from_dict(openapi.document(app))
    schema.app = app
    return schema
