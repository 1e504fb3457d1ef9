"""Decisions on incidents: read the state, return the events to append, or refuse. Pure.

The linker uses `assign` and `reconcile`; the API uses the others for curator commands,
which carry the version that the curator saw. concurrency.py binds the events
to everything they were decided on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from incidentwire import events as e
from incidentwire.incidents.state import STATUSES, Incident, IncidentsState, incident_id
from incidentwire.labels import Label, MentionId

NewEvents = list[tuple[str, e.Event]]  # (incident id, event), appended in this order
LEFT_EMPTY = "left without items"
NO_REASON = e.LinkReason()


class CommandRejected(ValueError):
    """A command that cannot be executed. `reason` is a stable slug; the message says why
    and what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def check_version(state: IncidentsState, incident: str, seen: int | None) -> Incident:
    """Return the active incident of an id.

    Raises CommandRejected if it is unknown, or if curators changed it since version
    `seen`; the linker's changes make no version stale.
    """
    if incident not in state.by_id:
        raise CommandRejected(
            "not_found",
            f"There is no incident {incident}. GET /v1/incidents lists all incidents.",
        )
    found = state.get(incident)
    if seen is not None and seen != found.version:
        raise CommandRejected(
            "stale",
            f"Another curator changed {found.id} (version {found.version}, not {seen})."
            " Load it again.",
        )
    return found


# -- the linker


def assign(
    state: IncidentsState,
    item: str,
    mention: str,
    incident: str | None,
    *,
    score: float = 1.0,
    review: tuple[str, ...] = (),
    why: e.LinkReason = NO_REASON,
) -> NewEvents:
    """Link a labelled mention to an incident, or open one if None is given.

    Nothing happens to a mention that is linked already or has no labels.
    """
    key = str(MentionId(item, mention))
    own_labels = state.labels((key,))
    if not own_labels or state.where(key) is not None:
        return []
    if incident is None:
        return _opened(state, MentionId(item, mention), own_labels, why)
    target = state.get(incident)
    members = state.members(target.id)
    linked = e.IncidentItemLinked(
        item=item,
        mention=mention,
        score=score,
        review=review,
        why=why,
        labels=state.labels((*members, key)),
        labels_before=state.labels(members),
    )
    return [(target.id, linked), *_reopened(target)]


def _opened(
    state: IncidentsState,
    mention: MentionId,
    labels: tuple[Label, ...],
    why: e.LinkReason,
) -> NewEvents:
    new = fresh_id(state, mention)
    opened = e.IncidentOpened(item=mention.item, mention=mention.mention, labels=labels)
    linked = e.IncidentItemLinked(
        item=mention.item, mention=mention.mention, labels=labels, why=why
    )
    return [(new, opened), (new, linked)]


def reconcile(state: IncidentsState, item: str) -> tuple[NewEvents, list[str]]:
    """Return what follows from changed labels of an item.

    That is the events by which mentions without labels leave their incidents, and the keys
    of labelled mentions that are not linked yet.
    """
    labelled = state.labelled(item)
    known = state.items.get(item)
    reason = "withdrawn" if known and known.gone else "relabelled"
    by_curator = known is not None and (known.gone or known.corrected is not None)
    linked = state.mentions_of_item.get(item, ())
    # a mention that a curator placed stays if only the model changed its mind
    leaving = [
        key
        for key in linked
        if key not in labelled and (by_curator or not state.links[key].person)
    ]
    unlinked = [key for key in labelled if key not in state.links]
    return _unlinked(state, leaving, reason), unlinked


def fresh_id(state: IncidentsState, mention: MentionId) -> str:
    """Return the id of the incident that this mention would open."""
    attempt = 0
    while (new := incident_id(mention.item, mention.mention, attempt)) in state.by_id:
        attempt += 1
    return new


# -- curators


def move(
    state: IncidentsState,
    key: str,
    to: str,
    who: str,
    note: str = "",
    seen: int | None = None,
) -> NewEvents:
    """Move a mention to another incident; `seen` is the version of that one."""
    target = check_version(state, to, seen)
    source = state.where(key)
    if source is None:
        raise CommandRejected(
            "not_found",
            f"{key} is in no incident. Only mentions with labels can be moved.",
        )
    if source == target.id:
        raise CommandRejected("already_there", f"{key} is already in {target.id}.")
    item, mention = MentionId.parse(key)
    members = state.members(target.id)
    linked = e.IncidentItemLinked(
        item=item,
        mention=mention,
        who=who,
        note=note,
        labels=state.labels((*members, key)),
        labels_before=state.labels(members),
    )
    unlinked, *closed = _unlinked(state, [key], "moved", who, note)
    return [unlinked, (target.id, linked), *closed, *_reopened(target)]


def merge(
    state: IncidentsState,
    source: str,
    into: str,
    who: str,
    note: str = "",
    seen: tuple[int | None, int | None] = (None, None),
) -> NewEvents:
    """Redirect the source to `into`; `seen` are the versions of both."""
    one = check_version(state, source, seen[0])
    other = check_version(state, into, seen[1])
    if one.id == other.id:
        raise CommandRejected(
            "already_there", f"{source} and {into} are one incident already."
        )
    members = state.members(other.id)
    merged = e.IncidentMerged(
        into=other.id,
        who=who,
        note=note,
        labels=state.labels((*members, *state.members(one.id))),
        labels_before=state.labels(members),
    )
    return [(one.id, merged)]


def unmerge(
    state: IncidentsState,
    source: str,
    who: str,
    note: str = "",
    seen: int | None = None,
) -> NewEvents:
    """Undo a merge; `seen` is the version of the incident that shows the source now."""
    check_version(state, source, seen)
    into = state.by_id[source].into
    if into is None:
        raise CommandRejected(
            "not_merged", f"{source} is not merged into another incident."
        )
    own = state.members(source)
    if not own:
        raise CommandRejected(
            "empty", f"{source} has no mentions of its own: the merge stays."
        )
    unmerged = e.IncidentUnmerged(
        into=into,
        who=who,
        note=note,
        labels=state.labels(own),
        labels_before=state.labels(state.members(state.resolve(source))),
    )
    return [(source, unmerged)]


def split(
    state: IncidentsState,
    incident: str,
    mentions: Sequence[str],
    who: str,
    note: str = "",
    seen: int | None = None,
) -> NewEvents:
    """Move mentions to a new incident. At least one mention must stay."""
    found = check_version(state, incident, seen)
    members = state.members(found.id)
    going = tuple(dict.fromkeys(mentions))
    if not going:
        raise CommandRejected(
            "not_found", f"Name the mentions of {found.id} to split off."
        )
    for key in going:
        if key not in members:
            raise CommandRejected(
                "not_found",
                f"{key} is not in {found.id}. GET /v1/incidents/{found.id} lists its"
                " mentions.",
            )
    if len(going) == len(members):
        raise CommandRejected("empty", f"At least one mention must stay in {found.id}.")
    event = e.IncidentSplit(
        into=fresh_id(state, MentionId.parse(going[0])),
        mentions=going,
        who=who,
        note=note,
        labels=state.labels(going),
        labels_before=state.labels(members),
    )
    return [(found.id, event)]


def unsplit(
    state: IncidentsState,
    incident: str,
    who: str,
    note: str = "",
    seen: int | None = None,
) -> NewEvents:
    """Undo a split: the mentions return to where each was."""
    found = check_version(state, incident, seen)
    if found.split_from is None:
        raise CommandRejected("not_split", f"{found.id} was not split off.")
    going = tuple(key for key, _ in found.split_members if key in found.members)
    if not going:
        raise CommandRejected(
            "empty", f"{found.id} has none of the mentions left that were split off."
        )
    members = state.members(state.resolve(found.split_from))
    event = e.IncidentSplit(
        into=found.id,
        mentions=going,
        who=who,
        note=note,
        undone=True,
        labels_before=state.labels(members),
        labels=state.labels((*members, *going)),
    )
    return [(found.split_from, event)]


def change_status(
    state: IncidentsState,
    incident: str,
    new: str,
    who: str,
    note: str = "",
    seen: int | None = None,
) -> NewEvents:
    """Change the status of an incident to one of STATUSES."""
    found = check_version(state, incident, seen)
    if new not in STATUSES:
        raise CommandRejected(
            "bad_status", f"Unknown status {new!r}. Use one of {', '.join(STATUSES)}."
        )
    if new == found.status:
        raise CommandRejected("already_there", f"{found.id} is already {new}.")
    labels = state.labels(state.members(found.id))
    changed = e.IncidentStatusChanged(
        old=found.status, new=new, who=who, note=note, labels=labels
    )
    return [(found.id, changed)]


def rename(
    state: IncidentsState,
    incident: str,
    title: str,
    who: str,
    note: str = "",
    seen: int | None = None,
) -> NewEvents:
    """Set the title of an incident."""
    found = check_version(state, incident, seen)
    if not title.strip():
        raise CommandRejected("empty", "The title is empty. Give one with words.")
    renamed = e.IncidentRenamed(
        old=found.title or "",
        new=title.strip(),
        who=who,
        note=note,
        labels=state.labels(state.members(found.id)),
    )
    return [(found.id, renamed)]


def add_note(
    state: IncidentsState, incident: str, note: str, who: str, seen: int | None = None
) -> NewEvents:
    """Add a note to an incident."""
    found = check_version(state, incident, seen)
    if not note.strip():
        raise CommandRejected("empty", "The note is empty. Give one with words.")
    labels = state.labels(state.members(found.id))
    return [(found.id, e.IncidentNoted(who=who, note=note, labels=labels))]


# -- shared


def _unlinked(
    state: IncidentsState,
    keys: Collection[str],
    reason: str,
    who: str | None = None,
    note: str = "",
) -> NewEvents:
    """Unlink the mentions; an incident left without any is closed, not deleted."""
    events: NewEvents = []
    left: dict[str, list[str]] = {}
    for key in keys:
        root = state.resolve(state.links[key].incident)
        members = left.setdefault(root, list(state.members(root)))
        before = state.labels(members)
        members.remove(key)
        item, mention = MentionId.parse(key)
        unlinked = e.IncidentItemUnlinked(
            item=item,
            mention=mention,
            reason=reason,
            who=who,
            note=note,
            labels=state.labels(members),
            labels_before=before,
        )
        events.append((root, unlinked))
    for root, members in left.items():
        old = state.by_id[root].status
        if not members and old != "dismissed":
            closed = e.IncidentStatusChanged(old=old, new="dismissed", note=LEFT_EMPTY)
            events.append((root, closed))
    return events


def _reopened(target: Incident) -> NewEvents:
    """Reopen an incident that was closed only because it was empty."""
    if not target.auto_closed:
        return []
    return [(target.id, e.IncidentStatusChanged(old="dismissed", new="open"))]
