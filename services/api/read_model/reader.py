"""Access of web processes to the read model, in native threads: a slow query stops no stream."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from incidentwire.executor import Executor, run_here
from services.api.errors import (
    NotCaughtUp,
    QueryTimeout,
    ReadModelDamaged,
    ReadModelUnavailable,
)
from services.api.read_model import database

T = TypeVar("T")

MIN_POSITION_WAIT_S = 5.0
MIN_POSITION_POLL_S = 0.02
QUERY_TIMEOUT_S = 10.0
OPERATIONS_PER_CHECK = 100_000  # of SQLite's virtual machine: about a millisecond
MAX_IDLE = 10  # open connections: gevent's thread pool has as many threads


class Reader:
    """Read-only access to the active read model; the next query notices a new file."""

    def __init__(self, link: Path, run: Executor = run_here) -> None:
        self.link = link
        self.run = run
        self._idle: list[tuple[int, sqlite3.Connection]] = []

    def read(self, query: Callable[..., T], *args: Any) -> T:
        """Return `query(db, *args)`, run within one transaction.

        Raises ReadModelUnavailable, QueryTimeout, and ReadModelDamaged, which is reported
        to the projector.
        """
        # Taken first: a late error must not condemn the file that replaced this one.
        report = database.damage_file(self.link)
        try:
            inode = os.stat(self.link).st_ino
            result, db = self.run(_query, (self._take(inode), self.link, query, args))
        except (database.ReadModelMissing, FileNotFoundError):
            raise ReadModelUnavailable from None
        except sqlite3.DatabaseError as error:
            raise self._named(error, report) from error
        if len(self._idle) < MAX_IDLE:
            self._idle.append((inode, db))
        else:
            db.close()
        return cast("T", result)

    def position(self) -> int:
        """Return the last position that the read model contains."""
        return self.read(database.checkpoint).position

    def wait_for(self, position: int) -> None:
        """Return once the read model contains this position.

        Raises NotCaughtUp after MIN_POSITION_WAIT_S.
        """
        deadline = time.monotonic() + MIN_POSITION_WAIT_S
        while (reached := self.position()) < position:
            if time.monotonic() > deadline:
                raise NotCaughtUp(reached, position)
            time.sleep(MIN_POSITION_POLL_S)  # lets other greenlets run

    def check(self) -> None:
        """Raise ReadModelDamaged if any process found damage in the active file."""
        if database.damage_file(self.link).exists():
            raise ReadModelDamaged

    def close(self) -> None:
        """Close idle connections; the reader may be used again."""
        while self._idle:
            self._idle.pop()[1].close()

    def _named(self, error: sqlite3.DatabaseError, report: Path) -> Exception:
        if database.is_damage(error):
            database.report_damage(report, error)
            return ReadModelDamaged()
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            return QueryTimeout()
        return error

    def _take(self, inode: int) -> sqlite3.Connection | None:
        """Return an idle connection to this file, and close those to a replaced one."""
        while self._idle:
            opened, db = self._idle.pop()
            if opened == inode:
                return db
            db.close()
        return None


def _query(
    db: sqlite3.Connection | None,
    link: Path,
    query: Callable[..., Any],
    args: tuple[Any, ...],
) -> Any:
    """Return (the query's result, the connection), in whichever thread."""
    db = db or database.open_for_reading(link)
    deadline = time.monotonic() + QUERY_TIMEOUT_S
    db.set_progress_handler(lambda: time.monotonic() > deadline, OPERATIONS_PER_CHECK)
    try:
        db.execute("BEGIN")
        result = query(db, *args)
        db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return result, db
