"""The process api-projector: `python -m services.api.projector`. Follows the log and keeps the read model.

May be killed at any moment: rows and position are one transaction, and a file that is not finished was never put in
place. It rebuilds by itself, and says so, when the read model is of another log, of another schema, ahead of the log,
unreadable or gone.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import click
import redis

from incidentwire.archive import Archive, ContentCorrupt, ContentNotFound
from incidentwire.documents import StoredDocument
from incidentwire.lifecycle import touch_heartbeat
from incidentwire.log.event_log import EventLog
from incidentwire.settings import Settings, from_env
from incidentwire.store import connect_when_ready
from incidentwire.telemetry import configure_logging, event_line
from services.api.read_model import database
from services.api.read_model.checkpoint import NAME, IncidentCheckpoint, fold_until
from services.api.read_model.incident_state import IncidentProjection
from services.api.read_model.projection import Projection

WAIT_S = 1.0  # how soon a quiet projector notices SIGTERM, another log, or a file that is gone
ARCHIVE_THREADS = 4  # reading, inflating and hashing leave the interpreter's lock
STORE_AWAY_S = 0.5

logger = logging.getLogger(__name__)


class Stopped(Exception):
    """SIGTERM came in the middle of a rebuild, which begins again next time."""


class Projector:
    """Keeps the read model of one data folder. `run` returns after SIGTERM."""

    def __init__(self, settings: Settings, connection: redis.Redis) -> None:
        self.link, self.archive, self.connection = (
            settings.read_model,
            Archive(settings.archive),
            connection,
        )
        self.threads = ThreadPoolExecutor(ARCHIVE_THREADS, thread_name_prefix="archive")
        self.heartbeat_file = settings.heartbeat_file
        self.stopping = False
        self.db: sqlite3.Connection | None = None
        self.folder: Projection | None = None
        self.snapshots = IncidentCheckpoint(self.link.with_name(NAME))
        self.traces = False  # withdrawn words may still stand in the index or the WAL

    def run(self) -> None:
        """Follow until `stop`. The store may go and come back meanwhile."""
        while not self.stopping:
            try:
                self._follow()
            except (
                redis.exceptions.ConnectionError,
                redis.exceptions.TimeoutError,
            ) as error:
                logger.warning(event_line("store unreachable", error=str(error)))
                time.sleep(STORE_AWAY_S)
            except Stopped:
                break
        self.close()

    def stop(self) -> None:
        self.stopping = True

    def close(self) -> None:
        """Let go of file and threads."""
        if self.folder and self.folder.incidents:
            self.snapshots.save(
                EventLog(self.connection), self.folder.log_id, self.folder.incidents
            )
        self._close()
        self.threads.shutdown()

    def catch_up(self) -> int:
        """Fold what the log holds now, and return the position reached."""
        log = EventLog(self.connection)
        db = self._open(log)
        return self._grow(db, log)

    def _follow(self) -> None:
        log = EventLog(self.connection)
        db = self._open(log)
        folder = self._folder(db)
        position, _, _ = database.checkpoint(db)
        for batch in log.follow(position, wait_s=WAIT_S):
            touch_heartbeat(self.heartbeat_file)
            if self.stopping or (not batch and self._rebuild_reason(log)):
                return
            if batch:
                began = time.monotonic()
                self.traces |= folder.fold(batch).erased
                lasted_ms = round((time.monotonic() - began) * 1000)
                done = event_line(
                    "folded",
                    position=batch[-1].position,
                    events=len(batch),
                    duration_ms=lasted_ms,
                )
                logger.debug(done)
            self._purge_deleted_text(db)
            if folder.incidents:
                self.snapshots.save_when_due(log, folder.log_id, folder.incidents)

    # -- the file --------------------------------------------------------------------------------------------------

    def _open(self, log: EventLog) -> sqlite3.Connection:
        """The database in place, rebuilt first where it is of no use."""
        why = self._rebuild_reason(log)
        if why:
            self._close()
            self._rebuild(log, why)
        if self.db is None:
            self.db = database.open_for_writing(self.link)
            database.remove_others(self.link)
        return self.db

    def _rebuild_reason(self, log: EventLog) -> str:
        """Why the read model in place cannot be carried on; empty where it can."""
        try:
            fresh = database.open_for_writing(self.link)
        except (database.ReadModelMissing, sqlite3.DatabaseError) as error:
            return f"there is none that can be opened ({error})"
        try:
            position, log_id, schema = database.checkpoint(fresh)
        except (TypeError, sqlite3.DatabaseError) as error:
            return f"it cannot be read ({error})"
        finally:
            fresh.close()
        if schema != database.SCHEMA_VERSION:
            return f"it has schema {schema}, this code writes {database.SCHEMA_VERSION}"
        if log_id != EventLog(self.connection).id:
            return f"it is of log {log_id}"
        if position > log.last():
            return f"it is at {position}, ahead of the log"
        return ""

    def _rebuild(self, log: EventLog, why: str) -> None:
        """Grow a new file beside the old one, then take its place. Where there is no old one, the new one is in
        place at once, so that readers see it grow."""
        self.link.parent.mkdir(parents=True, exist_ok=True)
        path = database.next_generation(self.link)
        logger.warning(
            event_line(
                "read model is rebuilt",
                why=why,
                file=path.name,
                log_id=log.id,
                last=log.last(),
            )
        )
        began = time.monotonic()
        db = database.create(path, log.id)
        if not self.link.exists():
            database.activate(path, self.link)
        try:
            position = self._grow(db, log)
            if self.stopping:
                raise Stopped
        except BaseException:
            db.close()
            raise
        database.activate(path, self.link)
        self.db = db
        database.remove_others(self.link)
        lasted_s = time.monotonic() - began
        logger.info(
            event_line("read model rebuilt", position=position, duration_s=lasted_s)
        )

    def _grow(self, db: sqlite3.Connection, log: EventLog) -> int:
        folder = self._folder(db)
        position, _, _ = database.checkpoint(db)
        while not self.stopping and (batch := log.after(position)):
            self.traces |= folder.fold(batch).erased
            position = batch[-1].position
        self._purge_deleted_text(db)
        return position

    def _folder(self, db: sqlite3.Connection) -> Projection:
        """The folder of this database: kept, since all that it remembers is dear."""
        if self.folder is None or self.folder.db is not db:
            self.folder = Projection(
                db,
                EventLog(self.connection).histories,
                self._documents,
                self._incidents_at,
            )
        return self.folder

    def _incidents_at(self, position: int) -> IncidentProjection:
        log = EventLog(self.connection)
        happenings = (
            self.snapshots.load(log, position) if position else None
        ) or IncidentProjection()
        fold_until(happenings, log, position)
        return happenings

    def _documents(
        self, names: Sequence[tuple[str, str]]
    ) -> list[StoredDocument | None]:
        return list(self.threads.map(self._document, names))

    def _document(self, name: tuple[str, str]) -> StoredDocument | None:
        """None where it is gone: withdrawn, expired, or lost with the archive, which `incidentwire check` finds."""
        try:
            return StoredDocument.from_bytes(self.archive.get(*name))
        except ContentNotFound:
            return None
        except ContentCorrupt as error:
            logger.error(
                event_line(
                    "document damaged",
                    item_id=name[0],
                    digest=name[1],
                    error=str(error),
                )
            )
            return None

    def _purge_deleted_text(self, db: sqlite3.Connection) -> None:
        """Have withdrawn words leave index and WAL; again at the next batch where a reader was in the way. A full
        merge of the index takes time with its size, and is needed only before SQLite 3.42, where FTS5 cannot delete
        securely."""
        if not self.traces:
            return
        if sqlite3.sqlite_version_info < database.SECURE_FTS:
            db.execute("INSERT INTO words (words) VALUES ('optimize')")
        (was_busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self.traces = bool(was_busy)

    def _close(self) -> None:
        if self.db is not None:
            self.db.close()
            self.db = None


def lock(link: Path) -> IO[str]:
    """Keep a second projector of the same folder out. Raises BlockingIOError where there is one."""
    link.parent.mkdir(parents=True, exist_ok=True)
    file = link.with_suffix(".lock").open("w")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    file.write(str(os.getpid()))
    file.flush()
    return file


@click.command()
def main() -> None:
    """Keep the read model up with the log."""
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
            f"another projector keeps {settings.read_model}: stop it first"
        ) from None
    except Exception:
        logger.exception(event_line("projector failed"))
        raise


if __name__ == "__main__":
    main()
