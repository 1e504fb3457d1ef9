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
from pathlib import Path
from typing import NamedTuple

from incidentwire import private_files
from incidentwire.log.log_position import LogPosition
from incidentwire.telemetry import event_line

# Raise it with any change below, or of the rows written: the projector then rebuilds.
SCHEMA_VERSION = 14
BUSY_TIMEOUT_S = 10.0
# https://www.sqlite.org/fts5.html#the_secure_delete_configuration_option
SECURE_FTS = (3, 42, 0)

logger = logging.getLogger(__name__)

TABLES = """
CREATE TABLE checkpoint (
  only INTEGER PRIMARY KEY CHECK (only = 1), position INTEGER NOT NULL, log_id TEXT NOT NULL, schema INTEGER NOT NULL,
  event TEXT NOT NULL          -- digest of the event at the position (log_position.py)
);
CREATE TABLE items (
  n INTEGER PRIMARY KEY,       -- position of its first event: the newest items have the highest
  id TEXT NOT NULL UNIQUE,
  position INTEGER NOT NULL,   -- of its last event
  version INTEGER NOT NULL,    -- events so far
  state TEXT NOT NULL,
  url TEXT, canonical_url TEXT, final_url TEXT, host TEXT, site TEXT,
  title TEXT, author TEXT, published TEXT, language TEXT, words INTEGER, completeness REAL,
  day TEXT NOT NULL,           -- of publication; of submission where that is unknown
  labels TEXT NOT NULL,        -- JSON array: those that count
  model_labels TEXT NOT NULL,  -- JSON array
  scores TEXT NOT NULL,        -- JSON object: label -> 0..1
  evidence TEXT NOT NULL,      -- JSON object: label -> [[start, end), …] in code points of the text of evidence_digest
  mentions TEXT NOT NULL,      -- JSON object: mention -> [start, end) in the same text
  review TEXT NOT NULL,        -- JSON array: what the model hesitates over
  reviewed TEXT NOT NULL,      -- JSON array: "labels" or mentions; doubts that a curator left as they are
  corrected_by TEXT, note TEXT, model TEXT,
  text_digest TEXT, evidence_digest TEXT, document_digest TEXT, given INTEGER NOT NULL,
  reason TEXT, detail TEXT, retryable INTEGER NOT NULL, next_try TEXT, attempt INTEGER NOT NULL,
  via TEXT NOT NULL, feed TEXT, alias_of TEXT,
  submitted_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL
);
CREATE INDEX items_state ON items (state, n);
CREATE INDEX items_language ON items (language, n);
CREATE INDEX items_host ON items (host, n);
CREATE INDEX items_site ON items (site, n);
CREATE INDEX items_via ON items (via, n);
CREATE INDEX items_day ON items (day, n);
CREATE INDEX items_undecided ON items (n) WHERE review <> '[]' AND corrected_by IS NULL
  AND state = 'classified' AND NOT instr(reviewed, '"labels"');  -- as items/queries.py
CREATE INDEX items_alias ON items (alias_of) WHERE alias_of IS NOT NULL;
CREATE TABLE item_labels (label TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (label, n)) WITHOUT ROWID;
CREATE INDEX item_labels_n ON item_labels (n);
CREATE TABLE item_countries (country TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (country, n)) WITHOUT ROWID;
CREATE INDEX item_countries_n ON item_countries (n);
CREATE TABLE item_names (n INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (n, name)) WITHOUT ROWID;
CREATE TABLE entity_aliases (  -- declarations in force
  id TEXT PRIMARY KEY, alias TEXT NOT NULL, name TEXT NOT NULL, who TEXT NOT NULL, note TEXT NOT NULL,
  declared_ms INTEGER NOT NULL, position INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE entity_spellings ( -- all of them flattened; folded, but for `shown`
  spelling TEXT PRIMARY KEY, entity TEXT NOT NULL, shown TEXT NOT NULL, phrase TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX entity_spellings_entity ON entity_spellings (entity);
CREATE TABLE topics (           -- in force; `folded` is the name as filters compare it
  id TEXT PRIMARY KEY, name TEXT NOT NULL, folded TEXT NOT NULL, filter TEXT NOT NULL, colour TEXT NOT NULL,
  description TEXT NOT NULL, who TEXT NOT NULL, defined_ms INTEGER NOT NULL, position INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE item_topics (n INTEGER NOT NULL, topic TEXT NOT NULL, PRIMARY KEY (n, topic)) WITHOUT ROWID;
CREATE INDEX item_topics_topic ON item_topics (topic, n);
CREATE TABLE documents (n INTEGER PRIMARY KEY, digest TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL);
CREATE VIRTUAL TABLE words USING fts5 (title, text, stems, content = '', tokenize = 'unicode61 remove_diacritics 2');
CREATE TABLE incidents (       -- columns in the order of incident_rows.INCIDENTS
  n INTEGER PRIMARY KEY,       -- position of the event that made it
  id TEXT NOT NULL UNIQUE,
  into_id TEXT,                -- the id it redirects to; its own labels and counts are empty then
  title TEXT, named INTEGER NOT NULL, -- named: by a person
  status TEXT NOT NULL, closed_empty INTEGER NOT NULL,
  labels TEXT NOT NULL,        -- JSON array: those that count
  first_report TEXT NOT NULL, last_report TEXT NOT NULL, -- days; empty without items
  items INTEGER NOT NULL, mentions INTEGER NOT NULL,
  sources INTEGER NOT NULL,    -- distinct hosts; sites for texts without URL
  hosts TEXT NOT NULL, languages TEXT NOT NULL, -- JSON arrays: those of its items, for facets
  countries TEXT NOT NULL, names TEXT NOT NULL, -- the same
  version INTEGER NOT NULL,    -- counts what people did
  split_from TEXT,
  position INTEGER NOT NULL,   -- of the last event that changed what it shows
  opened_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
  same_as TEXT NOT NULL,       -- JSON array of addresses
  topics TEXT NOT NULL         -- JSON array of names: of its items, and of a title given by a person
);
CREATE INDEX incidents_last ON incidents (last_report, n);
CREATE INDEX incidents_items ON incidents (items, n);
CREATE INDEX incidents_position ON incidents (position, n) WHERE into_id IS NULL;
CREATE INDEX incidents_months ON incidents (substr(first_report, 1, 7), labels)
  WHERE into_id IS NULL AND first_report <> '' AND status <> 'dismissed';
CREATE INDEX incidents_active ON incidents (n) WHERE into_id IS NULL;
CREATE INDEX incidents_named ON incidents (n, title) WHERE named = 1;
CREATE INDEX incidents_into ON incidents (into_id) WHERE into_id IS NOT NULL;
CREATE TABLE memberships (     -- columns in the order of incident_rows.MEMBERSHIPS
  item TEXT NOT NULL, mention TEXT NOT NULL,
  incident INTEGER NOT NULL,   -- n of the live one
  score REAL NOT NULL, review TEXT NOT NULL, person INTEGER NOT NULL,
  labels TEXT NOT NULL,        -- JSON array: of this mention, those that count
  linked INTEGER NOT NULL,     -- position of the event that linked it
  PRIMARY KEY (item, mention)
) WITHOUT ROWID;
CREATE INDEX memberships_incident ON memberships (incident);
CREATE INDEX memberships_doubt ON memberships (item, mention) WHERE person = 0 AND (review <> '[]' OR score < 0.25);
CREATE TABLE item_incidents (  -- memberships by number, for conditions on many items
  n INTEGER NOT NULL, incident INTEGER NOT NULL, PRIMARY KEY (n, incident)
) WITHOUT ROWID;
CREATE INDEX item_incidents_incident ON item_incidents (incident, n);
CREATE TABLE state_counts (state TEXT PRIMARY KEY, items INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE label_counts (label TEXT PRIMARY KEY, items INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER item_came AFTER INSERT ON items BEGIN
  INSERT INTO state_counts VALUES (new.state, 1) ON CONFLICT (state) DO UPDATE SET items = items + 1;
END;
CREATE TRIGGER item_moved AFTER UPDATE OF state ON items WHEN new.state <> old.state BEGIN
  UPDATE state_counts SET items = items - 1 WHERE state = old.state;
  INSERT INTO state_counts VALUES (new.state, 1) ON CONFLICT (state) DO UPDATE SET items = items + 1;
END;
CREATE TRIGGER label_came AFTER INSERT ON item_labels BEGIN
  INSERT INTO label_counts VALUES (new.label, 1) ON CONFLICT (label) DO UPDATE SET items = items + 1;
END;
CREATE TRIGGER label_went AFTER DELETE ON item_labels BEGIN
  UPDATE label_counts SET items = items - 1 WHERE label = old.label;
END;
"""


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
    db = _connect(path, "rwc")
    db.execute("PRAGMA journal_mode = WAL")
    _set_up_writer(db)
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
    db = _connect(path, "rw")
    _set_up_writer(db)
    return db


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Return a connection that cannot write, for one thread at a time.

    Raises ReadModelMissing, or sqlite3.DatabaseError if the file is damaged.
    """
    try:
        # a reader of a WAL takes part in its locks, which needs write access
        db = _connect(path, "rw")
        db.execute("PRAGMA query_only = ON")
        db.execute("SELECT position FROM checkpoint").fetchone()
    except sqlite3.OperationalError as error:
        if is_damage(error):
            raise
        raise ReadModelMissing(f"{path}: {error}") from error
    return db


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


def report_damage(link: Path, error: Exception) -> None:
    """Ask the projector to rebuild the active file."""
    logger.error(event_line("read model damaged", error=str(error)))
    try:
        private_files.create(damage_file(link))
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


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(
        uri,
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )


def _set_up_writer(db: sqlite3.Connection) -> None:
    # a power cut may lose the last transactions, which the log gives back
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA secure_delete = ON")  # withdrawn text is overwritten
    db.execute("PRAGMA cache_size = -65536")  # 64 MB
    db.execute("PRAGMA journal_size_limit = 67108864")
