"""The read model: a SQLite database derived from log and archive. Delete it, and it is rebuilt.

`settings.read_model` is a link to the file of one generation. A rebuild fills the file of
the next generation and then replaces the link in one rename; a plain file cannot be
replaced, because SQLite finds the WAL of a database by its path. One process writes
(projector.py); any number read.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from incidentwire import private_files
from incidentwire.log.log_position import LogPosition
from incidentwire.telemetry import event_line
from services.api.read_model.tables import SCHEMA_VERSION, TABLES

BUSY_TIMEOUT_S = 10.0
# https://www.sqlite.org/fts5.html#the_secure_delete_configuration_option
SECURE_FTS = (3, 42, 0)
WRITER_SET_UP = (
    # a power cut may lose the last transactions, which the log gives back
    "PRAGMA synchronous = NORMAL",
    "PRAGMA secure_delete = ON",  # withdrawn text is overwritten
    "PRAGMA cache_size = -65536",  # 64 MB
    "PRAGMA journal_size_limit = 67108864",
)
READER_SET_UP = ("PRAGMA query_only = ON", "SELECT position FROM checkpoint")

logger = logging.getLogger(__name__)


class ReadModelMissing(Exception):
    """There is no read model yet, or it is being replaced."""


class Checkpoint(NamedTuple):
    """What the read model contains: the log up to `position`, where `event` is."""

    position: int
    log_id: str
    schema: int
    event: str

    @property
    def log_position(self) -> LogPosition:
        """Return the identity of the position."""
        return LogPosition(log_id=self.log_id, position=self.position, event=self.event)


def create(path: Path, log_id: str) -> sqlite3.Connection:
    """Create a new, empty file at position 0, closed to other users."""
    private_files.make_folder(path.parent)
    private_files.create(path)
    db = _connect(path, "rwc", ("PRAGMA journal_mode = WAL", *WRITER_SET_UP))
    db.executescript("BEGIN;" + TABLES)
    if sqlite3.sqlite_version_info >= SECURE_FTS:
        db.execute("INSERT INTO words (words, rank) VALUES ('secure-delete', 1)")
    values = (log_id, SCHEMA_VERSION)
    db.execute("INSERT INTO checkpoint VALUES (1, 0, ?, ?, '')", values)
    db.execute("COMMIT")
    return db


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the file. Raises ReadModelMissing, or sqlite3.DatabaseError if it is none."""
    if not path.exists():
        raise ReadModelMissing(f"{path} does not exist")
    return _connect(path, "rw", WRITER_SET_UP)


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Return a connection that cannot write, for one thread at a time.

    Raises ReadModelMissing, or sqlite3.DatabaseError if the file is damaged.
    """
    try:
        # a reader of a WAL takes part in its locks, which needs write access
        return _connect(path, "rw", READER_SET_UP)
    except sqlite3.OperationalError as error:
        if is_damage(error):
            raise
        raise ReadModelMissing(f"{path}: {error}") from error


def checkpoint(db: sqlite3.Connection) -> Checkpoint:
    """Return what the read model contains."""
    row = db.execute("SELECT position, log_id, schema, event FROM checkpoint")
    return Checkpoint(*row.fetchone())


# -- damage


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether the error says that the file is damaged or no database at all."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def damage_found(db: sqlite3.Connection) -> str:
    """Return the first damage that SQLite's quick check finds, "" if it finds none.

    It reads every page: about a second per GB from memory.
    """
    try:
        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if found == "ok" else str(found).splitlines()[0]


def damage_file(link: Path) -> Path:
    """Return the path of the report that the active file is damaged."""
    generation = os.readlink(link) if link.is_symlink() else link.name
    return link.with_name(f"{generation}.damaged")


def report_damage(report: Path, error: Exception) -> None:
    """Ask the projector to rebuild the file that `report` is the `damage_file` of."""
    logger.error(event_line("read model damaged", error=str(error)))
    try:
        private_files.create(report)
    except OSError as full:
        logger.error(event_line("damage not reported", error=str(full)))


# -- generations


def next_generation(link: Path) -> Path:
    """Return the path of a file that does not exist yet."""
    found = (_generation(link, path) for path in link.parent.glob(f"{link.stem}.*"))
    numbers = [int(match[1]) for match in found if match]
    return link.with_name(f"{link.stem}.{max(numbers, default=0) + 1}.sqlite")


def activate(path: Path, link: Path) -> None:
    """Make this file the one that readers open, in one rename."""
    fresh = link.with_suffix(".link")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(path.name)
    os.replace(fresh, link)


def remove_others(link: Path) -> None:
    """Delete the files of other generations; readers that hold one open keep it."""
    current = os.readlink(link) if link.is_symlink() else ""
    for path in link.parent.glob(f"{link.stem}.*"):
        if _generation(link, path) and not path.name.startswith(current or "\0"):
            path.unlink(missing_ok=True)


def _generation(link: Path, path: Path) -> re.Match[str] | None:
    pattern = re.escape(link.stem) + r"\.(\d+)\.sqlite(-wal|-shm|\.damaged)?"
    return re.fullmatch(pattern, path.name)


def _connect(path: Path, mode: str, set_up: Sequence[str]) -> sqlite3.Connection:
    """Open the file and run the statements; close it if one of them fails."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    db = sqlite3.connect(
        uri,
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for statement in set_up:
            db.execute(statement).fetchone()
    except BaseException:
        db.close()
        raise
    return db
