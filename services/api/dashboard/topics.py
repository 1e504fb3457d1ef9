"""Topics of one's own: the list, a form to define one, and removal."""

from __future__ import annotations

from flask import Response, g, request

from incidentwire.events import TopicDefined
from services.api.dashboard.language import translate as _
from services.api.dashboard.layout import (
    go_to,
    page,
    page_blueprint,
    render,
    wait_for_own_change,
)
from services.api.errors import CommandConflict
from services.api.filters.topic import COLOURS
from services.api.http import event_log, reader
from services.api.topics import commands, queries
from services.api.topics.views import NewTopicSchema

FIELDS = ("name", "filter", "description", "colour")

blueprint = page_blueprint("topics")


@blueprint.get("/topics")
@page("read")
def show() -> Response:
    """Show the topics; parameters named like the fields prefill the form."""
    wait_for_own_change()
    return _list()


@blueprint.post("/topics")
@page("curate")
def define() -> Response:
    """Define a topic, or define it anew."""
    given = {name: request.form.get(name, "").strip() for name in FIELDS}
    body = dict(NewTopicSchema().load({k: v for k, v in given.items() if v}))
    try:
        topic = TopicDefined(who=g.who, **body)
        done = commands.define(event_log(), reader(), topic)
    except CommandConflict as conflict:
        return _list(str(conflict))
    return go_to("/topics", done="defined", min_position=done["position"])


@blueprint.post("/topics/<topic_id>/remove")
@page("curate")
def remove(topic_id: str) -> Response:
    """Remove a topic."""
    done = commands.remove(event_log(), topic_id, g.who)
    return go_to("/topics", done="removed", min_position=done["position"])


def _list(wrong: str = "") -> Response:
    return render(
        "topics.html",
        409 if wrong else 200,
        topics=reader().read(queries.defined)["topics"],
        asked=request.form or request.args,
        colours=COLOURS,
        wrong=wrong,
        done=request.args.get("done"),
    )


def colour_names() -> list[str]:
    """Return the names of the colours as people read them, for the catalogue."""
    return [
        _("blue"),
        _("green"),
        _("orange"),
        _("pink"),
        _("teal"),
        _("violet"),
        _("brown"),
        _("grey"),
    ]
