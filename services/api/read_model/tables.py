"""The tables of the read model, as SQL."""

from __future__ import annotations

# Raise it with any change here, or of the rows written: the projector then rebuilds.
SCHEMA_VERSION = 15

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
CREATE INDEX items_facets ON items (n, state, language, host, day);  -- rows are wide
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
CREATE INDEX incidents_status ON incidents (n, status);
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
