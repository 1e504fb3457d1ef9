"""The pages of the dashboard, wired to the app. They are not part of the OpenAPI document."""

from __future__ import annotations

from flask import Flask
from werkzeug.exceptions import NotFound

from services.api.dashboard import (
    assets,
    entities,
    feeds,
    front,
    incident,
    incident_actions,
    incidents,
    ingest_client,
    item,
    keys,
    language,
    layout,
    messages,
    review,
    review_bulk,
    search,
    session,
    submit,
    subscription_form,
    subscriptions,
    system,
    topics,
)
from services.api.http import settings

BLUEPRINTS = (
    assets.blueprint,
    entities.blueprint,
    feeds.blueprint,
    front.blueprint,
    incident.blueprint,
    incident_actions.blueprint,
    incidents.blueprint,
    item.blueprint,
    keys.blueprint,
    review.blueprint,
    review_bulk.blueprint,
    search.blueprint,
    session.blueprint,
    submit.blueprint,
    subscription_form.blueprint,
    subscriptions.blueprint,
    system.blueprint,
    topics.blueprint,
)


def add_pages(app: Flask) -> None:
    """Add all pages to the app, whose parts are in place."""
    layout.prepare(app)
    app.extensions["incidentwire.language"] = language.current
    app.extensions["incidentwire.translate"] = messages.translate
    app.register_error_handler(NotFound, layout.show_unknown_path)
    with app.app_context():
        app.extensions["incidentwire.ingest"] = ingest_client.make_client(settings())
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
