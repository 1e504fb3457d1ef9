"""Curators define topics, define them anew, and remove them."""

from __future__ import annotations

from incidentwire.events import Event, TopicDefined, TopicRemoved
from incidentwire.log.event_log import EventLog
from services.api.appending import append_next
from services.api.errors import CommandConflict, UnknownTopic
from services.api.filters.topic import (
    MAX_TOPICS,
    TopicError,
    check_name,
    compile_filter,
    topic_id,
)
from services.api.read_model.reader import Reader
from services.api.topics.queries import defined


def define(log: EventLog, reader: Reader, topic: TopicDefined) -> dict[str, object]:
    """Append the definition, which replaces one of the same name; return the topic.

    Raises CommandConflict if it makes no sense, changes nothing, or is one too many.
    """
    try:
        check_name(topic.name)
        compile_filter(topic.filter)
    except TopicError as error:
        raise CommandConflict("bad_topic", str(error), {}) from None
    subject = topic_id(topic.name)
    others = [one for one in reader.read(defined)["topics"] if one["id"] != subject]
    if len(others) >= MAX_TOPICS:
        message = f"There are {MAX_TOPICS} topics, as many as may be. Remove one first."
        raise CommandConflict("too_many_topics", message, {})

    def next_event(current: Event | None) -> Event:
        if isinstance(current, TopicDefined) and _same(current, topic):
            message = "The topic is defined just so already. Nothing was changed."
            raise CommandConflict("same_topic", message, {"id": subject})
        return topic

    position = append_next(log, subject, next_event, "topic")
    return _shown(subject, topic, position)


def remove(log: EventLog, subject: str, who: str) -> dict[str, object]:
    """Append that a topic is removed. Raises UnknownTopic if there is none."""
    removed: list[TopicDefined] = []

    def next_event(current: Event | None) -> Event:
        if not isinstance(current, TopicDefined):
            raise UnknownTopic
        removed.append(current)
        return TopicRemoved(name=current.name, who=who)

    if not subject.startswith("t_"):
        raise UnknownTopic
    position = append_next(log, subject, next_event, "topic")
    return _shown(subject, removed[-1], position)


def _same(one: TopicDefined, other: TopicDefined) -> bool:
    names = ("name", "filter", "colour", "description")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _shown(subject: str, topic: TopicDefined, position: int) -> dict[str, object]:
    return {
        "id": subject,
        "name": topic.name,
        "filter": topic.filter,
        "colour": topic.colour,
        "description": topic.description,
        "position": position,
    }
