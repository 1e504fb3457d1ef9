"""How web processes read the read model: in native threads, so that a long query holds up no stream."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from services.api.errors import NotCaughtUp, QueryTimeout, ReadModelUnavailable
from services.api.read_model import database

T = TypeVar("T")

MIN_POSITION_WAIT_S = 5.0
MIN_POSITION_POLL_S = 0.02
QUERY_TIMEOUT_S = 10.0
OPERATIONS_PER_LOOK = 100_000  # of SQLite's virtual machine: about a millisecond
MAX_IDLE = 10  # connections kept open: gevent's thread pool has as many threads


class Executor(Protocol):
    """Calls a function with arguments and returns what it returns: here, or in a thread while others go on."""

    def __call__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any: ...


def run_here(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    return function(*args)


class Reader:
    """Read-only access to the read model in place. A rebuild's new file is noticed at the next query."""

    def __init__(self, link: Path, run: Executor = run_here) -> None:
        self.link, self.run = link, run
        self._idle: list[tuple[int, sqlite3.Connection]] = []

    def read(self, query: Callable[..., T], *args: Any) -> T:
        """Return `query(db, *args)`, run within one transaction.

        Raises ReadModelUnavailable without a read model, QueryTimeout after
        QUERY_TIMEOUT_S.
        """
        try:
            inode = os.stat(self.link).st_ino
            result, db = self.run(_query, (self._take(inode), self.link, query, args))
        except (database.ReadModelMissing, FileNotFoundError):
            raise ReadModelUnavailable from None
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            raise QueryTimeout from None
        if len(self._idle) < MAX_IDLE:
            self._idle.append((inode, db))
        else:
            db.close()
        return cast("T", result)

    def position(self) -> int:
        """The last position that the read model knows."""
        return self.read(database.checkpoint)[0]

    def wait_for(self, position: int) -> None:
        """Return once the read model has this position.

        Raises NotCaughtUp if it has not within MIN_POSITION_WAIT_S.
        """
        deadline = time.monotonic() + MIN_POSITION_WAIT_S
        while (reached := self.position()) < position:
            if time.monotonic() > deadline:
                raise NotCaughtUp(reached, position)
            time.sleep(MIN_POSITION_POLL_S)  # switches to other greenlets

    def close(self) -> None:
        """Close what is idle; the reader may be used again."""
        while self._idle:
            self._idle.pop()[1].close()

    def _take(self, inode: int) -> sqlite3.Connection | None:
        """An idle connection to this very file. Those to a file that was replaced are closed."""
        while self._idle:
            of, db = self._idle.pop()
            if of == inode:
                return db
            db.close()
        return None


def _query(
    db: sqlite3.Connection | None,
    link: Path,
    query: Callable[..., Any],
    args: tuple[Any, ...],
) -> Any:
    """(the query's result, the connection), in whichever thread."""
    db = db or database.open_for_reading(link)
    deadline = time.monotonic() + QUERY_TIMEOUT_S
    db.set_progress_handler(lambda: time.monotonic() > deadline, OPERATIONS_PER_LOOK)
    try:
        db.execute("BEGIN")
        result = query(db, *args)
        db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return result, db
