"""Which problem each named error of the API is; subscriptions add theirs (views.py there).

Domain modules raise the errors and know no HTTP.
"""

from __future__ import annotations

from incidentwire.log.codec import DamagedEvent, UnknownType
from incidentwire.web.problems import (
    FieldError,
    Problem,
    ProblemTable,
    as_problem,
    invalid_fields,
)
from services.api import errors as e
from services.api.filters.parser import FilterError

COMMAND_STATUS = {
    "not_found": 404,
    "bad_status": 422,
    "bad_name": 422,
    "bad_topic": 422,
}  # every other refusal: 409


def _command(error: e.CommandConflict) -> Problem:
    return Problem(
        status=COMMAND_STATUS.get(error.slug, 409),
        slug=error.slug.replace("_", "-"),
        detail=str(error),
        more=error.more,
    )


def _filter(error: FilterError) -> Problem:
    return invalid_fields([FieldError(field="q", message=error.message)])


PROBLEMS: ProblemTable = {
    e.NotFound: as_problem(404, "not-found"),
    e.UnknownItem: as_problem(404, "unknown-item"),
    e.UnknownIncident: as_problem(404, "unknown-incident"),
    e.UnknownAlias: as_problem(404, "unknown-alias"),
    e.UnknownTopic: as_problem(404, "unknown-topic"),
    e.UnknownEventType: as_problem(404, "unknown-type"),
    e.NoText: as_problem(404, "no-text"),
    e.NoEvidence: as_problem(404, "no-evidence"),
    e.NoPage: as_problem(404, "no-page"),
    e.UnknownRevision: as_problem(404, "unknown-revision"),
    e.Gone: as_problem(410, "gone"),
    e.WithdrawnItem: as_problem(410, "withdrawn"),
    e.TextGone: as_problem(410, "text-gone"),
    e.ContentExpired: as_problem(410, "expired"),
    e.PositionGone: as_problem(410, "position-gone"),
    e.StaleVersion: as_problem(409, "stale"),
    e.NotCorrected: as_problem(409, "not-corrected"),
    e.IsAlias: as_problem(409, "alias"),
    e.PositionAhead: as_problem(409, "position-ahead"),
    e.AnotherLog: as_problem(409, "another-log"),
    e.AnotherEvent: as_problem(409, "another-event"),
    e.CursorOfAnotherList: as_problem(409, "cursor-of-another-list"),
    e.CommandConflict: _command,
    e.ReadModelUnavailable: as_problem(503, "read-model-missing", retry_after_s=2),
    e.ReadModelDamaged: as_problem(503, "read-model-damaged", retry_after_s=10),
    e.SubscriptionsLocked: as_problem(503, "subscriptions-locked", retry_after_s=10),
    e.SubscriptionsDamaged: as_problem(503, "subscriptions-damaged", retry_after_s=60),
    e.QueryTimeout: as_problem(503, "query-too-slow", retry_after_s=10),
    e.RenditionTimeout: as_problem(503, "rendition-too-slow", retry_after_s=10),
    e.NotCaughtUp: as_problem(503, "position-not-reached", retry_after_s=1),
    e.StillFolding: as_problem(503, "still-folding", retry_after_s=1),
    e.Busy: as_problem(503, "busy", retry_after_s=1),
    e.TooManyStreams: as_problem(503, "too-many-streams", retry_after_s=10),
    e.TooManyStreamsOfKey: as_problem(429, "too-many-streams-of-key", retry_after_s=10),
    e.StreamsStopped: as_problem(503, "streams-stopped"),
    e.EvidenceDamaged: as_problem(500, "evidence-damaged"),
    FilterError: _filter,
    UnknownType: as_problem(503, "log-is-newer"),
    DamagedEvent: as_problem(503, "log-damaged"),
}
