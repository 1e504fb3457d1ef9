"""Curators declare that two spellings are one entity, and take it back."""

from __future__ import annotations

from incidentwire.events import EntityAliased, EntityAliasRemoved
from incidentwire.log.event_log import EventLog, VersionConflict
from services.api.entities.aliases import alias_id, entity_of, phrase
from services.api.entities.queries import spellings
from services.api.errors import Busy, CommandConflict, UnknownAlias
from services.api.read_model.reader import Reader
from services.api.search.folding import fold

TRIES = 5  # each failure means that somebody else decided about the same spelling


def declare(
    log: EventLog, reader: Reader, alias: str, name: str, who: str, note: str = ""
) -> dict[str, object]:
    """Append that `alias` is another spelling of `name`; return id and position.

    Raises CommandConflict if the spelling has no letter, is the same name, belongs to
    the entity already, or was declared a spelling of another name.
    """
    _check(reader, alias, name)
    subject = alias_id(alias)
    event = EntityAliased(alias=alias, name=name, who=who, note=note)
    for _ in range(TRIES):
        history = log.history(subject)
        current = history[-1].event if history else None
        if isinstance(current, EntityAliased):
            raise _taken(subject, current)
        try:
            versions = {subject: len(history)}
            done = log.append(subject, event, expected_versions=versions)
        except VersionConflict:
            continue
        return _answer(subject, event, done.last)
    raise Busy("spelling")


def take_back(
    log: EventLog, subject: str, who: str, note: str = ""
) -> dict[str, object]:
    """Append that a declaration no longer holds. Raises UnknownAlias if none does."""
    for _ in range(TRIES):
        history = log.history(subject) if subject.startswith("e_") else []
        current = history[-1].event if history else None
        if not isinstance(current, EntityAliased):
            raise UnknownAlias
        event = EntityAliasRemoved(
            alias=current.alias, name=current.name, who=who, note=note
        )
        try:
            versions = {subject: len(history)}
            done = log.append(subject, event, expected_versions=versions)
        except VersionConflict:
            continue
        return _answer(subject, event, done.last)
    raise Busy("spelling")


def _check(reader: Reader, alias: str, name: str) -> None:
    for one in (alias, name):
        if not phrase(one):
            message = (
                f"{one!r} has no letter or digit. Use names as reports write them."
            )
            raise CommandConflict("bad_name", message, {})
    if fold(alias) == fold(name):
        message = "Both are the same name for search. Nothing needs to be declared."
        raise CommandConflict("same_name", message, {})
    known = reader.read(spellings)
    if entity_of(alias, known) == entity_of(name, known):
        message = "Both are spellings of one entity already. Nothing was changed."
        raise CommandConflict("already_one", message, {})


def _taken(subject: str, current: EntityAliased) -> CommandConflict:
    message = (
        f"{current.alias!r} is a spelling of {current.name!r} already. Take that back"
        f" first: DELETE /v1/entities/aliases/{subject}."
    )
    more = {"id": subject, "name": current.name}
    return CommandConflict("alias_of_another", message, more)


def _answer(
    subject: str, event: EntityAliased | EntityAliasRemoved, position: int
) -> dict[str, object]:
    return {
        "id": subject,
        "alias": event.alias,
        "name": event.name,
        "position": position,
    }
