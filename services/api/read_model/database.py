"""The read model: SQLite, grown from the log and the archive. Delete it, and it grows back.

`settings.read_model` is a link to the file of one generation. A rebuild grows in the file of the next generation and
takes the link's place in one rename; a plain file could not, since SQLite finds a database's WAL by its path. One
process writes (projector.py); any number read.
"""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path

SCHEMA_VERSION = 3  # raise it with any change below, or of what fold.py writes: the projector then rebuilds
BUSY_TIMEOUT_S = 10.0
SECURE_FTS = (
    3,
    42,
    0,
)  # https://www.sqlite.org/fts5.html#the_secure_delete_configuration_option

TABLES = """
CREATE TABLE checkpoint (
  only INTEGER PRIMARY KEY CHECK (only = 1), position INTEGER NOT NULL, log_id TEXT NOT NULL, schema INTEGER NOT NULL
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
CREATE INDEX items_review ON items (n) WHERE review <> '[]';
CREATE INDEX items_alias ON items (alias_of) WHERE alias_of IS NOT NULL;
CREATE TABLE item_labels (label TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (label, n)) WITHOUT ROWID;
CREATE INDEX item_labels_n ON item_labels (n);
CREATE TABLE documents (n INTEGER PRIMARY KEY, digest TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL);
CREATE VIRTUAL TABLE words USING fts5 (title, text, content = '', tokenize = 'unicode61 remove_diacritics 2');
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
  version INTEGER NOT NULL,    -- counts what people did
  split_from TEXT,
  position INTEGER NOT NULL,   -- of the last event that changed what it shows
  opened_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL
);
CREATE INDEX incidents_last ON incidents (last_report, n);
CREATE INDEX incidents_items ON incidents (items, n);
CREATE INDEX incidents_position ON incidents (position, n);
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


def create(path: Path, log_id: str) -> sqlite3.Connection:
    """Make a new file, empty, at position 0."""
    db = _connect(path, "rwc")
    db.execute("PRAGMA journal_mode = WAL")
    _set_up_writer(db)
    db.executescript("BEGIN;" + TABLES)
    if sqlite3.sqlite_version_info >= SECURE_FTS:
        db.execute("INSERT INTO words (words, rank) VALUES ('secure-delete', 1)")
    db.execute("INSERT INTO checkpoint VALUES (1, 0, ?, ?)", (log_id, SCHEMA_VERSION))
    db.execute("COMMIT")
    return db


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Raises ReadModelMissing, or sqlite3.DatabaseError for a file that is none of ours."""
    if not path.exists():
        raise ReadModelMissing(str(path))
    db = _connect(path, "rw")
    _set_up_writer(db)
    return db


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. It may be used by one thread at a time, whichever. Raises ReadModelMissing."""
    try:
        db = _connect(
            path, "rw"
        )  # the reader of a WAL takes part in its locks, which needs writing
        db.execute("PRAGMA query_only = ON")
        db.execute("SELECT position FROM checkpoint").fetchone()
    except sqlite3.OperationalError as error:
        raise ReadModelMissing(f"{path}: {error}") from None
    return db


def checkpoint(db: sqlite3.Connection) -> tuple[int, str, int]:
    """(position, log id, schema version)."""
    position, log_id, schema = db.execute(
        "SELECT position, log_id, schema FROM checkpoint"
    ).fetchone()
    return position, log_id, schema


def next_generation(link: Path) -> Path:
    """The path of a file that does not exist yet."""
    numbers = [
        int(found[1])
        for path in link.parent.glob(f"{link.stem}.*")
        if (found := _generation(link, path))
    ]
    return link.with_name(f"{link.stem}.{max(numbers, default=0) + 1}.sqlite")


def activate(path: Path, link: Path) -> None:
    """Make this file the one that readers open, in one rename."""
    fresh = link.with_suffix(".link")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(path.name)
    os.replace(fresh, link)


def remove_others(link: Path) -> None:
    """Delete the files of generations that the link does not name. Readers that still hold one keep it until then."""
    current = os.readlink(link) if link.is_symlink() else ""
    for path in link.parent.glob(f"{link.stem}.*"):
        if _generation(link, path) and not path.name.startswith(current or "\0"):
            path.unlink(missing_ok=True)


def _generation(link: Path, path: Path) -> re.Match[str] | None:
    return re.fullmatch(
        re.escape(link.stem) + r"\.(\d+)\.sqlite(-wal|-shm)?", path.name
    )


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
    db.execute(
        "PRAGMA synchronous = NORMAL"
    )  # a power cut may lose the last transactions, which the log gives back
    db.execute("PRAGMA secure_delete = ON")  # what is withdrawn is overwritten
    db.execute("PRAGMA cache_size = -65536")  # 64 MB
    db.execute("PRAGMA journal_size_limit = 67108864")
