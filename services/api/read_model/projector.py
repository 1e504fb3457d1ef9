"""The process api-projector: `python -m services.api.projector`. Keeps the read model.

It may be killed at any moment: rows and position are one transaction, and an unfinished
file is never activated. It rebuilds by itself, and logs why, if the read model is of
another log or schema, ahead of the log, based on events that the log has lost, damaged,
unreadable or missing.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import click
import redis

from incidentwire import private_files
from incidentwire.archive import Archive, ContentCorrupt, ContentNotFound
from incidentwire.documents import StoredDocument
from incidentwire.lifecycle import run_until_shutdown, touch_heartbeat
from incidentwire.log.event_log import EventLog
from incidentwire.log.recorded_event import RecordedEvent
from incidentwire.settings import Settings, from_env
from incidentwire.store import connect_when_ready
from incidentwire.telemetry import configure_logging, event_line
from services.api.read_model import database
from services.api.read_model.checkpoint import NAME, IncidentCheckpoint, fold_until
from services.api.read_model.incident_state import IncidentProjection
from services.api.read_model.projection import Projection
from services.api.read_model.tables import SCHEMA_VERSION

WAIT_S = (
    1.0  # how soon a quiet projector notices SIGTERM, another log or a missing file
)
ARCHIVE_THREADS = 4  # reading, decompressing and hashing release the interpreter lock

logger = logging.getLogger(__name__)


class RebuildInterrupted(Exception):
    """SIGTERM came during a rebuild, which begins again at the next start."""


class Projector:
    """Keeps the read model of one data folder. `run` returns after `stop`."""

    def __init__(self, settings: Settings, connection: redis.Redis) -> None:
        self.link = settings.read_model
        self.archive = Archive(settings.archive)
        self.connection = connection
        self.heartbeat_file = settings.heartbeat_file
        self.checkpoints = IncidentCheckpoint(self.link.with_name(NAME))
        self.db: sqlite3.Connection | None = None
        self.projection: Projection | None = None
        self._threads = ThreadPoolExecutor(ARCHIVE_THREADS, "archive")
        self._stopped = threading.Event()
        self._checked = ""  # the generation whose file was checked for damage
        self._has_traces = False  # deleted text may remain in index or WAL

    def run(self) -> None:
        """Follow the log until `stop`, and wait while store or archive are unavailable."""
        run_until_shutdown(
            self._follow, self._stopped, heartbeat_file=self.heartbeat_file
        )
        self.close()

    def stop(self) -> None:
        """Make `run` return soon. Safe in a signal handler."""
        self._stopped.set()

    def close(self) -> None:
        """Save the incidents, and release file and threads."""
        projection = self.projection
        if projection and projection.incidents:
            log = EventLog(self.connection)
            self.checkpoints.save(log, projection.log_id, projection.incidents)
        self._close_file()
        self._threads.shutdown()

    def catch_up(self) -> int:
        """Fold everything that is in the log now, and return the position reached."""
        log = EventLog(self.connection)
        return self._fold_all(self._open(log), log)

    def _follow(self) -> None:
        """Fold batches until shutdown, or until the read model must be rebuilt."""
        try:
            log = EventLog(self.connection)
            db = self._open(log)
            position = database.checkpoint(db).position
            for batch in log.follow(position, wait_s=WAIT_S):
                touch_heartbeat(self.heartbeat_file)
                if self._stopped.is_set() or self._rebuild_reason(log):
                    return
                self._fold(db, batch)
                self._purge_deleted_text(db)
                self._save_when_due(log)
        except RebuildInterrupted:
            return
        except sqlite3.DatabaseError as error:
            if not database.is_damage(error):
                raise
            database.report_damage(database.damage_file(self.link), error)

    def _fold(self, db: sqlite3.Connection, batch: Sequence[RecordedEvent]) -> None:
        if not batch:
            return
        began = time.monotonic()
        changes = self._projection_of(db).fold(batch)
        self._has_traces |= changes.erased
        logger.debug(
            event_line(
                "folded",
                position=batch[-1].position,
                events=len(batch),
                duration_ms=round((time.monotonic() - began) * 1000),
            )
        )

    def _save_when_due(self, log: EventLog) -> None:
        projection = self.projection
        if projection and projection.incidents:
            self.checkpoints.save_when_due(log, projection.log_id, projection.incidents)

    # -- the file

    def _open(self, log: EventLog) -> sqlite3.Connection:
        """Return the active database, rebuilt first if it cannot be used."""
        reason = self._rebuild_reason(log)
        if reason:
            self._close_file()
            self._rebuild(log, reason)
        if self.db is None:
            self.db = database.open_for_writing(self.link)
            database.remove_others(self.link)
        return self.db

    def _rebuild_reason(self, log: EventLog) -> str:
        """Return why the active read model cannot be continued, "" if it can."""
        if database.damage_file(self.link).exists():
            return "it is damaged"
        try:
            db = database.open_for_writing(self.link)
        except (database.ReadModelMissing, sqlite3.DatabaseError) as error:
            return f"there is none that can be opened ({error})"
        try:
            return self._unfit(db, log)
        except (TypeError, sqlite3.DatabaseError) as error:
            return f"it cannot be read ({error})"
        finally:
            db.close()

    def _unfit(self, db: sqlite3.Connection, log: EventLog) -> str:
        generation = os.path.realpath(self.link)
        if generation != self._checked:
            damage = database.damage_found(db)
            if damage:
                return f"it is damaged ({damage})"
            self._checked = generation
        held = database.checkpoint(db)
        if held.schema != SCHEMA_VERSION:
            return f"it has schema {held.schema}, not {SCHEMA_VERSION}"
        return held.log_position.mismatch(log)

    def _rebuild(self, log: EventLog, reason: str) -> None:
        """Fill a new file beside the old one, then replace the link.

        Without an old one, the new file is active at once, so that readers see it grow.
        """
        began = time.monotonic()
        path = database.next_generation(self.link)
        # none is there: a first start, or somebody deleted it as docs/operations.md says
        is_new = not os.path.lexists(self.link)
        level = logging.INFO if is_new else logging.WARNING
        facts = {"file": path.name, "log_id": log.id, "last": log.last()}
        event = "read model is built" if is_new else "read model is rebuilt"
        logger.log(level, event_line(event, why=reason, **facts))
        db = database.create(path, log.id)
        if not self.link.exists():
            database.activate(path, self.link)
        try:
            position = self._fold_all(db, log)
            if self._stopped.is_set():
                raise RebuildInterrupted
        except BaseException:
            db.close()
            raise
        database.activate(path, self.link)
        self.db = db
        self._checked = os.path.realpath(self.link)
        database.remove_others(self.link)
        lasted_s = time.monotonic() - began
        logger.info(
            event_line("read model rebuilt", position=position, duration_s=lasted_s)
        )

    def _fold_all(self, db: sqlite3.Connection, log: EventLog) -> int:
        position = database.checkpoint(db).position
        while not self._stopped.is_set() and (batch := log.after(position)):
            touch_heartbeat(self.heartbeat_file)
            self._fold(db, batch)
            position = batch[-1].position
        self._purge_deleted_text(db)
        return position

    def _projection_of(self, db: sqlite3.Connection) -> Projection:
        """Return the projection of this database, kept because it remembers much."""
        if self.projection is None or self.projection.db is not db:
            self.projection = Projection(
                db,
                EventLog(self.connection).histories,
                self._documents,
                self._incidents_at,
            )
        return self.projection

    def _incidents_at(self, position: int) -> IncidentProjection:
        log = EventLog(self.connection)
        incidents = self.checkpoints.load(log, position) if position else None
        incidents = incidents or IncidentProjection()
        fold_until(incidents, log, position)
        return incidents

    def _documents(
        self, names: Sequence[tuple[str, str]]
    ) -> list[StoredDocument | None]:
        """Return the documents in order; each thread reads one share of them.

        A task for each document would cost as much as reading it.
        """
        size = -(-len(names) // ARCHIVE_THREADS)
        shares = [names[at : at + size] for at in range(0, len(names), size)]
        found = self._threads.map(self._share, shares)
        return [document for share in found for document in share]

    def _share(self, names: Sequence[tuple[str, str]]) -> list[StoredDocument | None]:
        return [self._document(name) for name in names]

    def _document(self, name: tuple[str, str]) -> StoredDocument | None:
        """Return the document, None if it is withdrawn, expired or damaged."""
        try:
            return StoredDocument.from_bytes(self.archive.get(*name))
        except ContentNotFound:
            return None
        except ContentCorrupt as error:
            item, digest = name
            line = event_line(
                "document damaged", item_id=item, digest=digest, error=str(error)
            )
            logger.error(line)
            return None

    def _purge_deleted_text(self, db: sqlite3.Connection) -> None:
        """Remove deleted text from index and WAL, later if a reader is in the way.

        A full merge of the index takes time with its size; only SQLite before 3.42, whose
        FTS5 cannot delete securely, needs it.
        """
        if not self._has_traces:
            return
        if sqlite3.sqlite_version_info < database.SECURE_FTS:
            db.execute("INSERT INTO words (words) VALUES ('optimize')")
        (was_busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._has_traces = bool(was_busy)

    def _close_file(self) -> None:
        if self.db is not None:
            self.db.close()
            self.db = None


def lock(link: Path) -> IO[str]:
    """Lock out a second projector of the same folder. Raises BlockingIOError."""
    private_files.make_folder(link.parent)
    file = link.with_suffix(".lock").open("w")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    file.write(str(os.getpid()))
    file.flush()
    return file


@click.command()
def main() -> None:
    """Keep the read model up to date with the log."""
    settings = from_env()
    configure_logging(settings.log_level, "api-projector")
    projector = Projector(settings, connect_when_ready(settings.redis_url))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: projector.stop())
    try:
        with lock(settings.read_model):
            projector.run()
    except BlockingIOError:
        raise click.ClickException(
            f"Another projector keeps {settings.read_model}. Stop it first."
        ) from None
    except Exception:
        logger.exception(event_line("projector failed"))
        raise


if __name__ == "__main__":
    main()
