"""The blueprints of both services: strict queries, and bodies read by json_body."""

from __future__ import annotations

from typing import Any

from flask import Request
from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import RAISE, Schema
from webargs import core
from webargs.flaskparser import FlaskParser

from incidentwire.web import json_body


class StrictParser(FlaskParser):
    """Refuses unknown query parameters: a misspelt filter must not be ignored."""

    DEFAULT_UNKNOWN_BY_LOCATION = {  # noqa: RUF012
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": RAISE,
    }

    def load_json(self, req: Request, schema: Schema) -> Any:
        """Return the JSON body; `missing` if the request has another media type."""
        if not core.is_json(req.mimetype):
            return core.missing
        return json_body.read_json(req)


class Blueprint(SmorestBlueprint):
    """A flask-smorest blueprint whose arguments are parsed strictly."""

    ARGUMENTS_PARSER = StrictParser()


class QuerySchema(Schema):
    """A query string without parameters; the schemas of views derive from it."""

    error_messages = {  # noqa: RUF012
        "unknown": "Unknown parameter. Remove it."
    }
