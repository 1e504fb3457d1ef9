"""Does search find what a reader wants? Sixty judged queries over reports of our own.

The relevant reports were chosen by reading all reports, before any search was run.
Recall at 10 is the share of relevant reports among the first ten hits; precision at 10
is the share of relevant reports in the hits shown, 0 without hits. Both are means over
queries. `LIKE '%query%'` over title and text, newest first, is the floor.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from flask.testing import FlaskClient

from benchmarks.stand import row, stand
from tests.harness import Harness

HERE = Path(__file__).parent
CORPUS = HERE.parent / "services" / "classifier" / "training" / "corpus"
QUERIES = HERE / "judged_queries.jsonl"
FILES = (
    "en_short_digests_1",
    "en_short_headlines_1",
    "en_short_leads_1",
    "zh_briefs_a",
    "zh_briefs_c",
    "zh_headlines_a",
    "zh_headlines_c",
)
SHOWN = 10  # hits of a query that count
LIKE = (
    "SELECT id FROM report WHERE title LIKE :pattern OR text LIKE :pattern"
    " ORDER BY rowid DESC LIMIT :shown"
)

Search = Callable[[str], list[str]]


@dataclass(frozen=True)
class JudgedQuery:
    """A query and the ids of the reports that its user wants."""

    query: str
    lang: str
    relevant: frozenset[str]

    @property
    def is_pair(self) -> bool:
        """Return whether this is a Chinese word of two characters."""
        return self.lang == "zh" and len(self.query) == 2


def reports() -> list[dict[str, str]]:
    """Return the reports, oldest first."""
    return [r for name in FILES for r in _lines(CORPUS / f"{name}.jsonl")]


def judged_queries() -> list[JudgedQuery]:
    """Return the queries with their judgements."""
    return [
        JudgedQuery(r["query"], r["lang"], frozenset(r["relevant"]))
        for r in _lines(QUERIES)
    ]


def _lines(path: Path) -> Iterable[dict[str, str]]:
    return map(json.loads, path.read_text(encoding="utf-8").splitlines())


def main() -> None:
    """Print recall and precision at 10 of search beside those of LIKE."""
    with stand() as here, closing(sqlite3.connect(":memory:")) as db:
        settings = here.settings
        with Harness(here.connection, settings.redis_url, settings.data_dir) as harness:
            ours = _search(harness)
            floor = _like(db)
            for name, queries in _groups(judged_queries()).items():
                _print(name, queries, ours, floor)


def _search(harness: Harness) -> Search:
    """Return search over a read model that holds the reports."""
    for report in reports():
        harness.add_item(
            _item(report["id"]),
            report["text"],
            title=report["title"],
            language=report["lang"],
        )
    harness.projector().catch_up()
    client = harness.api_client()
    return lambda query: _hits(client, query)


def _hits(client: FlaskClient, query: str) -> list[str]:
    response = client.get("/v1/search", query_string={"q": query, "kind": "items"})
    if response.status_code != 200:
        raise RuntimeError(f"search for {query!r} failed: {response.text}")
    names = {_item(report["id"]): report["id"] for report in reports()}
    return [names[hit["id"]] for hit in response.get_json()["hits"]][:SHOWN]


def _item(report_id: str) -> str:
    """Return a report's id in the form of an item's."""
    return "i_" + report_id.replace("-", "")


def _like(db: sqlite3.Connection) -> Search:
    """Return the floor over a table that holds the reports."""
    db.execute("CREATE TABLE report (id TEXT, title TEXT, text TEXT)")
    db.executemany("INSERT INTO report VALUES (:id, :title, :text)", reports())
    return lambda query: [
        found
        for (found,) in db.execute(LIKE, {"pattern": f"%{query}%", "shown": SHOWN})
    ]


def _groups(queries: list[JudgedQuery]) -> dict[str, list[JudgedQuery]]:
    return {
        "English": [q for q in queries if q.lang == "en"],
        "Chinese": [q for q in queries if q.lang == "zh"],
        "Chinese, two characters": [q for q in queries if q.is_pair],
    }


def _print(name: str, queries: list[JudgedQuery], ours: Search, floor: Search) -> None:
    for measure, of in (("recall", _recall), ("precision", _precision)):
        figure = mean(of(q, ours(q.query)) for q in queries)
        least = mean(of(q, floor(q.query)) for q in queries)
        question = f"{measure} at 10: {name} ({len(queries)} queries)"
        row(question, f"{figure:.2f}", f"LIKE: {least:.2f}", figure >= least)


def _recall(judged: JudgedQuery, hits: list[str]) -> float:
    return len(judged.relevant.intersection(hits)) / len(judged.relevant)


def _precision(judged: JudgedQuery, hits: list[str]) -> float:
    return len(judged.relevant.intersection(hits)) / len(hits) if hits else 0.0


if __name__ == "__main__":
    main()
