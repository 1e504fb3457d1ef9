"""What may happen to incidents next: each function reads the state and returns the events to append, or refuses. Pure.

The linker uses `place` and `settle`; the api uses the others for commands of people, which name what they saw.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from incidentwire import events as e
from incidentwire.incidents.state import STATUSES, Incident, IncidentsState, incident_id
from incidentwire.labels import MentionId

Facts = list[
    tuple[str, e.Event]
]  # incident id, event; to be appended together, in this order
LEFT_EMPTY = "left without items"
NO_REASON = e.LinkReason()


class CommandRejected(ValueError):
    """A command that cannot be carried out. `reason` is a stable slug; the message names the remedy."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def expect(state: IncidentsState, incident: str, seen: int | None) -> Incident:
    """The live incident behind an id. Refuses one that is unknown, and one to which people did something since the
    version that was seen; what the linker does makes no version stale."""
    if incident not in state.known:
        raise CommandRejected(
            "not_found",
            f"there is no incident {incident}: look it up under /v1/incidents",
        )
    found = state.get(incident)
    if seen is not None and seen != found.people:
        raise CommandRejected(
            "stale",
            f"somebody changed {found.id} (version {found.people}, not {seen}): load it again",
        )
    return found


# -- the linker


def assign(
    state: IncidentsState, item: str, mention: str, incident: str | None, *, score: float = 1.0,
    review: tuple[str, ...] = (), why: e.LinkReason = NO_REASON,
) -> Facts:  # fmt: skip
    """A labelled mention comes to an incident, or opens one where None is given. Nothing happens to a mention that has
    its place, or that has no labels."""
    key = str(MentionId(item, mention))
    mine = state.labels((key,))
    if not mine or state.where(key) is not None:
        return []
    if incident is not None:
        target = state.get(incident)
        before = state.labels(state.members(target.id))
        after = state.labels((*state.members(target.id), key))
        facts: Facts = [(target.id, e.IncidentItemLinked(
            item=item, mention=mention, score=score, review=review, why=why, labels=after, labels_before=before,
        ))]  # fmt: skip
        return facts + _reopened(target)
    new = fresh_id(state, item, mention)
    opened = e.IncidentOpened(item=item, mention=mention, labels=mine)
    return [
        (new, opened),
        (
            new,
            e.IncidentItemLinked(item=item, mention=mention, labels=mine, why=why),
        ),
    ]


def reconcile(state: IncidentsState, item: str) -> tuple[Facts, list[str]]:
    """After news of an item: the events by which mentions without labels leave their incidents, and the keys of
    labelled mentions that have no place yet."""
    labelled = state.labelled(item)
    known = state.items.get(item)
    reason = "withdrawn" if known and known.gone else "relabelled"
    by_people = known is not None and (known.gone or known.corrected is not None)
    placed = [key for key in state.placed.get(item, ()) if key not in labelled]
    # what people put somewhere stays there when only the model changed its mind
    leaving = [key for key in placed if by_people or not state.links[key].person]
    return _unlinked(state, leaving, reason), [
        key for key in labelled if key not in state.links
    ]


def fresh_id(state: IncidentsState, item: str, mention: str) -> str:
    """The id of the incident that this mention would open."""
    attempt = 0
    while (new := incident_id(item, mention, attempt)) in state.known:
        attempt += 1
    return new


# -- people


def move(
    state: IncidentsState,
    key: str,
    to: str,
    who: str,
    note: str = "",
    seen: int | None = None,
) -> Facts:
    """A mention goes to another incident; `seen` is the version of that one."""
    target, source = expect(state, to, seen), state.where(key)
    if source is None:
        raise CommandRejected(
            "not_found", f"{key} is in no incident: only labelled mentions are"
        )
    if source == target.id:
        raise CommandRejected("already_there", f"{key} is in {target.id} already")
    item, mention = MentionId.parse(key)
    before = state.labels(state.members(target.id))
    linked = e.IncidentItemLinked(
        item=item, mention=mention, who=who, note=note, labels=state.labels((*state.members(target.id), key)),
        labels_before=before,
    )  # fmt: skip
    leaving = _unlinked(state, [key], "moved", who, note)
    return [*leaving[:1], (target.id, linked), *leaving[1:], *_reopened(target)]


def merge(
    state: IncidentsState,
    source: str,
    into: str,
    who: str,
    note: str = "",
    seen: tuple[int | None, int | None] = (None, None),
) -> Facts:
    """The source redirects to `into`; `seen` are the versions of both."""
    one, other = expect(state, source, seen[0]), expect(state, into, seen[1])
    if one.id == other.id:
        raise CommandRejected(
            "already_there", f"{source} and {into} are one incident already"
        )
    before = state.labels(state.members(other.id))
    after = state.labels((*state.members(other.id), *state.members(one.id)))
    return [
        (
            one.id,
            e.IncidentMerged(
                into=other.id, who=who, note=note, labels=after, labels_before=before
            ),
        )
    ]


def unmerge(
    state: IncidentsState,
    source: str,
    who: str,
    note: str = "",
    seen: int | None = None,
) -> Facts:
    """A merged id is itself again; `seen` is the version of the incident that shows it now."""
    expect(state, source, seen)
    into = state.known[source].into
    if into is None:
        raise CommandRejected(
            "not_merged", f"{source} stands for itself: there is no merge to undo"
        )
    if not state.members(source):
        raise CommandRejected(
            "empty", f"{source} has no mentions of its own to stand for"
        )
    before = state.labels(state.members(state.resolve(source)))
    after = state.labels(state.members(source))
    return [
        (
            source,
            e.IncidentUnmerged(
                into=into, who=who, note=note, labels=after, labels_before=before
            ),
        )
    ]


def split(
    state: IncidentsState,
    incident: str,
    mentions: Sequence[str],
    who: str,
    note: str = "",
    seen: int | None = None,
) -> Facts:
    """Mentions leave for an incident of their own. At least one stays."""
    found = expect(state, incident, seen)
    there, going = state.members(found.id), tuple(dict.fromkeys(mentions))
    strangers = [key for key in going if key not in there]
    if strangers or not going:
        raise CommandRejected(
            "not_found",
            f"{strangers[0] if strangers else 'no mention'} is in {found.id}: name its mentions",
        )
    if len(going) == len(there):
        raise CommandRejected(
            "empty",
            f"nothing would be left in {found.id}: leave at least one mention there",
        )
    new = fresh_id(state, *MentionId.parse(going[0]))
    fact = e.IncidentSplit(
        into=new,
        mentions=going,
        who=who,
        note=note,
        labels=state.labels(going),
        labels_before=state.labels(there),
    )
    return [(found.id, fact)]


def unsplit(
    state: IncidentsState,
    incident: str,
    who: str,
    note: str = "",
    seen: int | None = None,
) -> Facts:
    """The mentions with which the incident was split off go back where each was."""
    found = expect(state, incident, seen)
    if found.split_from is None:
        raise CommandRejected(
            "not_split", f"{found.id} was not split off: there is no split to undo"
        )
    going = tuple(key for key, _ in found.brought if key in found.members)
    if not going:
        raise CommandRejected(
            "empty",
            f"{found.id} has none of the mentions left with which it was split off",
        )
    home = state.resolve(found.split_from)
    fact = e.IncidentSplit(
        into=found.id, mentions=going, who=who, note=note, undone=True, labels_before=state.labels(state.members(home)),
        labels=state.labels((*state.members(home), *going)),
    )  # fmt: skip
    return [(found.split_from, fact)]


def change_status(
    state: IncidentsState,
    incident: str,
    new: str,
    who: str,
    note: str = "",
    seen: int | None = None,
) -> Facts:
    found = expect(state, incident, seen)
    if new not in STATUSES:
        raise CommandRejected(
            "bad_status", f"no status {new!r}: one of {', '.join(STATUSES)}"
        )
    if new == found.status:
        raise CommandRejected("already_there", f"{found.id} is {new} already")
    labels = state.labels(state.members(found.id))
    return [
        (
            found.id,
            e.IncidentStatusChanged(
                old=found.status, new=new, who=who, note=note, labels=labels
            ),
        )
    ]


def rename(
    state: IncidentsState,
    incident: str,
    title: str,
    who: str,
    note: str = "",
    seen: int | None = None,
) -> Facts:
    found = expect(state, incident, seen)
    if not title.strip():
        raise CommandRejected("empty", "a title needs words")
    labels = state.labels(state.members(found.id))
    return [
        (
            found.id,
            e.IncidentRenamed(
                old=found.title or "",
                new=title.strip(),
                who=who,
                note=note,
                labels=labels,
            ),
        )
    ]


def add_note(
    state: IncidentsState, incident: str, note: str, who: str, seen: int | None = None
) -> Facts:
    found = expect(state, incident, seen)
    if not note.strip():
        raise CommandRejected("empty", "a note needs words")
    return [
        (
            found.id,
            e.IncidentNoted(
                who=who, note=note, labels=state.labels(state.members(found.id))
            ),
        )
    ]


# -- shared


def _unlinked(
    state: IncidentsState,
    keys: Collection[str],
    reason: str,
    who: str | None = None,
    note: str = "",
) -> Facts:
    """The mentions leave; an incident left without any is closed, not deleted."""
    facts: Facts = []
    left: dict[str, list[str]] = {}
    for key in keys:
        root = state.resolve(state.links[key].incident)
        there = left.setdefault(root, list(state.members(root)))
        before = state.labels(there)
        there.remove(key)
        item, mention = MentionId.parse(key)
        facts.append((root, e.IncidentItemUnlinked(
            item=item, mention=mention, reason=reason, who=who, note=note, labels=state.labels(there),
            labels_before=before,
        )))  # fmt: skip
    for root, there in left.items():
        old = state.known[root].status
        if not there and old != "dismissed":
            facts.append(
                (
                    root,
                    e.IncidentStatusChanged(old=old, new="dismissed", note=LEFT_EMPTY),
                )
            )
    return facts


def _reopened(target: Incident) -> Facts:
    """An incident that was closed only because it was empty opens again with its next mention."""
    if not target.closed_empty:
        return []
    return [(target.id, e.IncidentStatusChanged(old="dismissed", new="open"))]
