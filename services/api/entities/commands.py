"""Curators declare that two spellings are one entity, and take it back."""

from __future__ import annotations

from incidentwire.events import EntityAliased, EntityAliasRemoved, Event
from incidentwire.log.event_log import EventLog
from services.api.appending import append_next
from services.api.entities.queries import spellings
from services.api.errors import CommandConflict, UnknownAlias
from services.api.read_model.reader import Reader
from services.api.text.aliases import alias_id, entity_of, phrase
from services.api.text.folding import fold


def declare(
    log: EventLog, reader: Reader, alias: str, name: str, who: str, note: str = ""
) -> dict[str, object]:
    """Append that `alias` is another spelling of `name`; return id and position.

    Raises CommandConflict if the spelling has no letter, is the same name, belongs to
    the entity already, or was declared a spelling of another name.
    """
    _check(reader, alias, name)
    subject = alias_id(alias)

    def declared(current: Event | None) -> Event:
        if isinstance(current, EntityAliased):
            raise _taken(subject, current)
        return EntityAliased(alias=alias, name=name, who=who, note=note)

    position = append_next(log, subject, declared, "spelling")
    return {"id": subject, "alias": alias, "name": name, "position": position}


def take_back(
    log: EventLog, subject: str, who: str, note: str = ""
) -> dict[str, object]:
    """Append that a declaration no longer holds. Raises UnknownAlias if none does."""
    names: dict[str, str] = {}

    def removed(current: Event | None) -> Event:
        if not isinstance(current, EntityAliased):
            raise UnknownAlias
        names.update(alias=current.alias, name=current.name)
        return EntityAliasRemoved(**names, who=who, note=note)

    if not subject.startswith("e_"):
        raise UnknownAlias
    position = append_next(log, subject, removed, "spelling")
    return {"id": subject, **names, "position": position}


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
