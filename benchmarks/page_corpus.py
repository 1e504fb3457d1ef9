"""Generated reports in two languages, with incidents, as a log and the read model of it.

Word frequencies follow a power law, as in news; lengths vary around the mean. The same
number always gives the same report, so nothing but the log and the read model is stored.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from itertools import accumulate
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

from benchmarks.stand import Stand
from incidentwire import events as e
from incidentwire.documents import StoredDocument
from incidentwire.incidents import decisions
from incidentwire.incidents.state import IncidentsState
from incidentwire.labels import LABELS, Label, MentionRef
from incidentwire.log.event_log import AppendRequest, EventLog
from services.api.read_model import database
from services.api.read_model.checkpoint import NAME, IncidentCheckpoint, fold_until
from services.api.read_model.incident_state import IncidentProjection
from services.api.read_model.projection import Projection
from services.api.text.countries import table

VOCABULARY = 30_000  # words of each language
HOSTS = 400
COMPANIES = 3_000  # named in titles; the first ones often
COUNTRIES = tuple(table().names.values())  # English, Chinese
LABELLED = 0.4  # of the items
BATCH = 1_000  # events of one transaction


class Corpus:
    """Reports by number; `words` is the mean length of an English text."""

    def __init__(self, items: int, incidents: int, words: int) -> None:
        self.items = items
        self.incidents = incidents
        self.words = words
        chance = random.Random(7)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self.english = [
            "".join(chance.choices(letters, k=chance.randint(3, 11)))
            for _ in range(VOCABULARY)
        ]
        self.chinese = [
            "".join(chr(chance.randint(0x4E00, 0x6FFF)) for _ in range(2))
            for _ in range(VOCABULARY)
        ]
        self.companies = [
            f"{chance.choice(self.english).title()} {chance.choice(self.english).title()}"
            for _ in range(COMPANIES)
        ]
        self._weights = list(accumulate(1 / (n + 10) for n in range(VOCABULARY)))

    def is_chinese(self, n: int) -> bool:
        return n % 3 == 0

    def picked(self, chance: random.Random, count: int, *, zh: bool) -> list[str]:
        """Return words as often as news has them."""
        words = self.chinese if zh else self.english
        return chance.choices(words, cum_weights=self._weights, k=count)

    def document(self, n: int) -> StoredDocument:
        chance = random.Random(n)
        zh = self.is_chinese(n)
        length = max(30, int(chance.gauss(self.words, self.words / 3)))
        joined = "" if zh else " "
        words = self.picked(chance, 6, zh=zh)
        company = self.companies[int(chance.random() ** 3 * COMPANIES)]
        country = COUNTRIES[int(chance.random() ** 2 * len(COUNTRIES))][zh]
        return StoredDocument(
            title=joined.join([*words[:3], company, *words[3:], country]),
            text=joined.join(self.picked(chance, length, zh=zh)),
            language="zh" if zh else "en",
        )

    def documents(
        self, names: Sequence[tuple[str, str]]
    ) -> list[StoredDocument | None]:
        """Return the documents that the projection asks for."""
        return [self.document(int(item.removeprefix("i_"))) for item, _ in names]

    def facts(self, n: int, digest: str) -> list[e.Event]:
        """Return the events of an item."""
        chance = random.Random(n)
        url = f"https://site{int(chance.paretovariate(0.7)) % HOSTS}.example.org/{n}"
        labels: tuple[Label, ...] = ()
        if chance.random() < LABELLED:
            labels = (LABELS[n % 4],)
        month = 1 + n * 24 // max(self.items, 1) % 24
        day = f"{2025 + (month - 1) // 12}-{1 + (month - 1) % 12:02}-{1 + n % 28:02}"
        mention = MentionRef(id="m0", start=0, end=30, labels=labels, fingerprint="f")
        return [
            e.ItemSubmitted(url=url, via="bench"),
            e.ItemFetched(
                document_digest=digest,
                text_digest=digest,
                words=self.words,
                final_url=url,
                published=day,
                language="zh" if self.is_chinese(n) else "en",
            ),
            e.ItemClassified(
                text_digest=digest,
                model="bench",
                labels=labels,
                scores={label: 0.3 + chance.random() * 0.7 for label in LABELS},
                evidence={label: ((2, 12),) for label in labels},
                review=() if n % 50 else ("consent",),
                mentions=(mention,) if labels else (),
            ),
        ]


class Filler:
    """Appends items and their links, as worker and linker would."""

    def __init__(self, log: EventLog, corpus: Corpus) -> None:
        self.log = log
        self.corpus = corpus
        self.state = IncidentsState()
        self.names: list[str] = []

    def append(self, numbers: range) -> None:
        """Append items in one transaction."""
        requests = []
        for n in numbers:
            name = f"i_{n}"
            facts: list[tuple[str, e.Event]] = [
                (name, fact) for fact in self.corpus.facts(n, f"d{n}")
            ]
            self._apply(facts)
            links = decisions.assign(self.state, name, "m0", self._incident_of(n))
            self._apply(links)
            self.names += [s for s, f in links if isinstance(f, e.IncidentOpened)]
            requests.append(AppendRequest(events=[*facts, *links]))
        self.log.append_many(requests)

    def _apply(self, facts: Sequence[tuple[str, e.Event]]) -> None:
        for subject, fact in facts:
            self.state.apply(subject, fact)

    def _incident_of(self, n: int) -> str | None:
        """Return the incident of an item, None for a new one; early ones get more."""
        chance = random.Random(-n)
        share = self.corpus.incidents / (self.corpus.items * LABELLED)
        if not self.names or chance.random() < share:
            return None
        return self.names[int(len(self.names) * chance.random() ** 2)]


def fold(here: Stand, projection: Projection, after: int) -> int:
    """Fold what the log has after a position; return the last position."""
    log = EventLog(here.connection)
    while batch := log.after(after, BATCH):
        projection.fold(batch)
        after = batch[-1].position
    return after


def open_projection(here: Stand, corpus: Corpus) -> Projection:
    """Return what fills the read model's file, which is created if there is none."""
    log = EventLog(here.connection)
    link = here.settings.read_model
    if link.exists():
        db = database.open_for_writing(link)
    else:
        path = database.next_generation(link)
        db = database.create(path, log.id)
        database.activate(path, link)

    def incidents_at(position: int) -> IncidentProjection:
        incidents = IncidentProjection()
        fold_until(incidents, log, position)
        return incidents

    return Projection(db, log.histories, corpus.documents, incidents_at)


class Arrivals:
    """Fills the log and the read model of a stand, and goes on at a rate."""

    def __init__(self, here: Stand, corpus: Corpus) -> None:
        self.here = here
        self.filler = Filler(EventLog(here.connection), corpus)
        self.projection = open_projection(here, corpus)
        self.position = database.checkpoint(self.projection.db).position

    def fill(self) -> None:
        """Fill an empty stand; fold what one that is not empty has."""
        if self.filler.log.last() == 0:
            count = self.filler.corpus.items
            for start in range(0, count, 500):
                self.filler.append(range(start, min(count, start + 500)))
        self.position = fold(self.here, self.projection, self.position)
        db = self.projection.db
        rows = db.execute("SELECT id FROM incidents WHERE into_id IS NULL ORDER BY n")
        self.filler.names = [name for (name,) in rows]
        (self.arrived,) = db.execute("SELECT count(*) FROM items").fetchone()
        incidents = self.projection.incidents or self.projection.incidents_at(
            self.position
        )
        self.projection.incidents = incidents
        self.filler.state = incidents.copy().state
        db.close()
        # as the projector does; web processes would fold the whole log without one
        saved = IncidentCheckpoint(self.here.settings.read_model.with_name(NAME))
        saved.save(self.filler.log, self.filler.log.id, incidents)

    def start(self, rate: float) -> BaseProcess:
        """Start a process in which items arrive, and are folded, at a rate per second."""
        process = get_context("fork").Process(target=self._arrive, args=(rate,))
        process.start()
        return process

    def _arrive(self, rate: float) -> None:
        self.filler.log = EventLog(self.here.connection)
        fresh = open_projection(self.here, self.filler.corpus)
        fresh.incidents = self.projection.incidents
        due = time.monotonic()
        while True:
            self.filler.append(range(self.arrived, self.arrived + 1))
            self.arrived += 1
            self.position = fold(self.here, fresh, self.position)
            due += 1 / rate
            time.sleep(max(0.0, due - time.monotonic()))
