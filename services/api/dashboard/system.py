"""The state of the installation in words; green only if nothing is wrong."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import cast

import redis
from flask import Response, current_app

from incidentwire.log.event_log import IN_FLIGHT
from services.api import health as api_health
from services.api import stats
from services.api.dashboard import ingest_client, messages, queries
from services.api.dashboard.language import translate as _
from services.api.dashboard.language import translate_number
from services.api.dashboard.layout import page, page_blueprint, render
from services.api.errors import Unavailable
from services.api.http import event_log, reader, settings
from services.api.subscriptions.access import with_service

MAX_LAG = 100  # events; more means that the pages show an old state
FULL = 0.8  # share of the store's memory from which submissions are refused
OVERDUE_S = 180.0  # the keeper looks every few seconds
QUEUED_S = 900.0  # a queue this old means that nobody works, or that work outgrew them
BAD_FEEDS = ("failing", "gone", "silent")

blueprint = page_blueprint("system")


@dataclass(frozen=True, kw_only=True)
class SystemCheck:
    """The result of one check. `is_good` is None if it could not be made."""

    name: str
    is_good: bool | None
    text: str


@blueprint.get("/system")
@page("read")
def show() -> Response:
    """Show every check with its result."""
    found = [
        _api(),
        _audit(),
        _ingest(),
        _keeper(),
        _workers(),
        _notifier(),
        *_feeds(),
        *_store(),
        _disk(),
    ]
    return render(
        "system.html",
        findings=sorted(
            found, key=lambda one: {False: 0, None: 1, True: 2}[one.is_good]
        ),
        all_good=all(one.is_good for one in found),
        counts=_counts(),
    )


def _api() -> SystemCheck:
    ready = api_health.check()
    text = " ".join(ready.reasons) or _("The API answers, and its log is whole.")
    return SystemCheck(name=_("API"), is_good=not ready.reasons, text=text)


def _audit() -> SystemCheck:
    name = _("Audit")
    found = _stats()
    if found is None:
        return SystemCheck(
            name=name, is_good=None, text=_("There is no read model yet.")
        )
    if found.lag > MAX_LAG:
        text = _("The pages are %d events behind the log. Check the projector.")
        return SystemCheck(name=name, is_good=False, text=text % found.lag)
    if found.conservation is None:
        text = _("Events arrive at the moment; load again for the audit.")
        return SystemCheck(name=name, is_good=None, text=text)
    if found.conservation:
        text = _("%d items are unaccounted for. Run `incidentwire check`.")
        return SystemCheck(name=name, is_good=False, text=text % found.conservation)
    text = _("Every submitted item is accounted for; %d are in work.")
    return SystemCheck(name=name, is_good=True, text=text % found.in_flight)


def _ingest() -> SystemCheck:
    name = _("Ingest")
    try:
        reply = ingest_client.get("/readyz", ingest_client.GLANCE)
    except ingest_client.IngestUnavailable as error:
        text = _("The ingest service does not answer; nothing can be submitted.")
        return SystemCheck(name=name, is_good=False, text=f"{text} {error}")
    if reply.status != 200:
        reasons = reply.body.get("reasons", ()) if isinstance(reply.body, dict) else ()
        return SystemCheck(name=name, is_good=False, text=" ".join(map(str, reasons)))
    return SystemCheck(name=name, is_good=True, text=_("Submissions are accepted."))


def _keeper() -> SystemCheck:
    """Look for an item whose time to be looked at is long over: only the keeper moves it."""
    name = _("Keeper")
    connection = cast("redis.Redis", current_app.extensions["incidentwire.connection"])
    rows = cast(
        "list[tuple[bytes, float]]", connection.zrange(IN_FLIGHT, 0, 0, withscores=True)
    )
    overdue_s = time.time() - rows[0][1] if rows else 0.0
    if overdue_s > OVERDUE_S:
        text = _("Lost items are not queued again. Start classifier-keeper.")
        return SystemCheck(name=name, is_good=False, text=text)
    text = _("No item in work is forgotten.")
    return SystemCheck(name=name, is_good=True, text=text)


def _workers() -> SystemCheck:
    """Look at the item that has been queued for longest."""
    name = _("Workers")
    try:
        waited_s = reader().read(queries.longest_queued_s, time.time())
    except Unavailable:
        return SystemCheck(name=name, is_good=None, text=_("Nothing is known of them."))
    text = _("No item is queued.")
    if waited_s:
        minutes = int(waited_s // 60)
        text = translate_number(
            "The oldest queued item has waited for %d minute.",
            "The oldest queued item has waited for %d minutes.",
            minutes,
        )
        text %= minutes
    if waited_s > QUEUED_S:
        text += " " + _("Check classifier-fetcher and classifier-worker.")
        return SystemCheck(name=name, is_good=False, text=text)
    return SystemCheck(name=name, is_good=True, text=text)


def _notifier() -> SystemCheck:
    """Compare what the notifier has matched with the log."""
    name = _("Notifier")
    try:
        head, log_id = with_service(
            lambda service: service.database.head(), needs_key=False
        )
    except Unavailable as error:
        return SystemCheck(name=name, is_good=False, text=messages.translate(error))
    log = event_log()
    behind = log.last() - head
    if not log_id:
        text = _("It has not run yet; subscriptions deliver nothing without it.")
        return SystemCheck(name=name, is_good=None, text=text)
    text = _("It is %d events behind the log.") % behind
    if behind > 10 * MAX_LAG or log_id != log.id:
        text += " " + _("Check api-notifier.")
        return SystemCheck(name=name, is_good=False, text=text)
    return SystemCheck(name=name, is_good=True, text=text)


def _feeds() -> list[SystemCheck]:
    name = _("Feeds")
    try:
        reply = ingest_client.get("/v1/feeds", ingest_client.GLANCE)
    except ingest_client.IngestUnavailable:
        reply = ingest_client.Reply(503, None)
    if reply.status != 200:
        text = _("Nothing is known of the feeds.")
        return [SystemCheck(name=name, is_good=None, text=text)]
    bad = [feed for feed in reply.body["feeds"] if feed["state"] in BAD_FEEDS]
    if not bad:
        text = _("No feed fails.")
        return [SystemCheck(name=name, is_good=True, text=text)]
    return [
        SystemCheck(
            name=name,
            is_good=False,
            text=f"{feed['title'] or feed['url']}: {feed['reason'] or feed['state']}",
        )
        for feed in bad[:20]
    ]


def _store() -> list[SystemCheck]:
    connection = cast("redis.Redis", current_app.extensions["incidentwire.connection"])
    name = _("Store")
    try:
        memory = connection.info("memory")
    except redis.exceptions.ResponseError:  # the user of this process may not ask
        text = _("This process may not ask the store for its memory.")
        return [SystemCheck(name=name, is_good=None, text=text)]
    used = int(memory["used_memory"])
    most = int(memory.get("maxmemory", 0))
    if not most:
        text = _("%d MB in use; no limit is set.") % (used // 1_000_000)
        return [SystemCheck(name=name, is_good=True, text=text)]
    text = _("%(percent)d %% of the memory is in use.") % {
        "percent": 100 * used // most
    }
    return [SystemCheck(name=name, is_good=used < FULL * most, text=text)]


def _disk() -> SystemCheck:
    folder = settings().read_model.parent
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    is_good = free >= settings().min_free_bytes
    text = _("%.1f GB are free.") % (free / 1_000_000_000)
    if not is_good:
        text += " " + _("Make room: nothing can be kept on a full disk.")
    return SystemCheck(name=_("Disk"), is_good=is_good, text=text)


def _stats() -> stats.Stats | None:
    connection = current_app.extensions["incidentwire.connection"]
    try:
        return stats.gather(reader(), connection)
    except Unavailable:
        return None


def _counts() -> dict[str, int]:
    found = _stats()
    return dict(found.states) if found else {}
