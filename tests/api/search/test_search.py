"""Search finds what the documentation says, shows where, and counts the rest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from services.api.filters import sql
from services.api.filters.matching import Facts, matches
from services.api.filters.parser import FIELDS, parse
from services.api.incidents import newest
from services.api.read_model import database
from services.api.search import hits
from services.api.text.folding import fold
from tests.harness import Harness
from tests.newsroom import FAKE, LEAK, Newsroom

DOCUMENT = Path(__file__).parents[3] / "docs" / "search.md"
BLOCK = re.search(r"```search\n(.*?)```", DOCUMENT.read_text(), re.S)
EXAMPLES = [line.split("=>") for line in BLOCK[1].splitlines()] if BLOCK else []

REPORTS: dict[str, dict[str, Any]] = {
    "hotel": {
        "title": "Hotel chain leaks passport scans",
        "text": "Passport scans of 412,000 guests were left on an open server.",
        "language": "en",
        "published": "2024-03-01",
        "labels": ("data_leak",),
    },
    "bank": {
        "title": "Cloned voice fools a bank",
        "text": "A cloned voice told the ofﬁce to pay; the café owner lost everything.",
        "language": "en",
        "published": "2024-04-02",
        "labels": ("deepfake",),
    },
    "face": {
        "title": "人脸識別系統引發爭議",
        "text": "公园门口的人脸識別系統引发争议。游客说没有同意。",
        "language": "zh",
        "published": "2024-05-03",
        "labels": ("consent",),
    },
}
MORE = [
    "人脸争议",
    "人脸同意",
    '"人脸争议"',
    "系统没有",
    "AI人脸",
    "office",
    "cafe",
    "fool",
    "the OR 争议",
    "同意 -hotel",
    "園",
    "passport guests",
]


@pytest.fixture
def stocked(harness: Harness) -> Harness:
    for name, about in REPORTS.items():
        about = dict(about)
        text = about.pop("text")
        labels = about.pop("labels")
        url = f"https://news.example.org/{name}"
        harness.add_item(f"i_{name}", text, labels=labels, url=url, **about)
    harness.projector().catch_up()
    return harness


def search(harness: Harness, query: str, status: int = 200, **options: Any) -> Any:
    answer = harness.api_client().get(
        "/v1/search", query_string={"q": query, **options}
    )
    assert answer.status_code == status, answer.text
    return answer.get_json()


def found(harness: Harness, query: str) -> set[str]:
    return {hit["id"].removeprefix("i_") for hit in search(harness, query)["hits"]}


def facts(name: str) -> Facts:
    about = REPORTS[name]
    return Facts(
        text=f"{about['title']}\n{about['text']}",
        labels=frozenset(about["labels"]),
        sources=frozenset({fold("news.example.org")}),
        entities=frozenset({fold("Hotel chain")} if name == "hotel" else ()),
        languages=frozenset({about["language"]}),
        states=frozenset({"classified"}),
        days=(about["published"], about["published"]),
    )


def test_the_examples_of_the_documentation_are_true(stocked: Harness) -> None:
    assert len(EXAMPLES) > 15
    wanted = {query.strip(): set(names.split()) for query, names in EXAMPLES}
    assert {query: found(stocked, query) for query in wanted} == wanted


def test_the_index_and_the_evaluator_of_facts_agree(stocked: Harness) -> None:
    queries = [query.strip() for query, _ in EXAMPLES] + MORE
    wrong = [
        query
        for query in queries
        if found(stocked, query)
        != {name for name in REPORTS if matches(parse(query), facts(name))}
    ]
    assert not wrong


def test_every_field_is_documented() -> None:
    text = DOCUMENT.read_text()
    events_only = {"type", "subject"}
    assert all(
        f"`{name}:" in text or f"{name}:" in text
        for name in FIELDS.keys() - events_only
    )


@pytest.mark.parametrize(
    ("query", "name", "words"),
    [
        ("guest", "hotel", ["guests"]),
        ("office", "bank", ["ofﬁce"]),
        ("识别", "face", ["識別"]),
        ("cafe*", "bank", ["café"]),
        ("人脸争议", "face", ["人脸", "争议"]),
    ],
)
def test_a_snippet_shows_where_the_stored_text_matches(
    stocked: Harness, query: str, name: str, words: list[str]
) -> None:
    snippet = search(stocked, query)["hits"][0]["snippet"]
    text = REPORTS[name]["text"]
    assert snippet["text"] == text[snippet["start"] : snippet["end"]]
    assert [text[start:end] for start, end in snippet["hits"]] == words


def test_a_title_counts_more_than_the_text(harness: Harness) -> None:
    harness.add_item("i_text", "A ferry was late. " * 3, title="Harbour news")
    harness.add_item("i_title", "Boats were late. " * 3, title="The ferry")
    harness.projector().catch_up()
    assert [hit["id"] for hit in search(harness, "ferry")["hits"]] == [
        "i_title",
        "i_text",
    ]


def test_pages_join_to_the_whole_and_facets_count_all_of_it(harness: Harness) -> None:
    for n in range(7):
        label = ("deepfake",) if n % 2 else ("data_leak", "regulation")
        harness.add_item(f"i_{n}", "The ferry sank. " * (1 + n % 3), labels=label)
    harness.projector().catch_up()
    whole = search(harness, "ferry")
    assert whole["total"] == 7
    counts = {facet["value"]: facet["count"] for facet in whole["facets"]["label"]}
    assert counts == {"data_leak": 4, "regulation": 4, "deepfake": 3}
    page = search(harness, "ferry", limit=3)
    hits = page["hits"]
    while page["next"]:
        page = search(harness, "ferry", limit=3, cursor=page["next"])
        hits += page["hits"]
    assert hits == whole["hits"]


def test_incidents_are_found_through_their_items_and_given_titles(
    harness: Harness,
) -> None:
    room = Newsroom(harness)
    ferry = room.add("i_1", (FAKE,), text="A cloned captain called the ferry office.")
    room.add("i_2", (FAKE,), text="Nothing else was in the news.")
    room.grow()
    answer = search(harness, "ferries", kind="incidents")
    assert [hit["id"] for hit in answer["hits"]] == [ferry]
    assert "ferry" in answer["hits"][0]["snippet"]["text"]
    assert answer["facets"]["status"] == [{"value": "open", "count": 1}]
    room.command(ferry, "title", title="Voice at the harbour")
    assert search(harness, "harbour", kind="incidents")["total"] == 1
    assert search(harness, "status:open -harbour", kind="incidents")["total"] == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ('"open', "not closed"),
        ("label:nothing", "use one of"),
        ("x" * 2_001, "Use at most 2,000"),
        ("(" * 5_000, "Use at most"),
        ("type:item.classified", "streams and subscriptions only"),
        ("***", "no letter or digit"),
    ],
)
def test_a_query_that_cannot_be_parsed_is_refused_in_words(
    stocked: Harness, query: str, message: str
) -> None:
    answer = search(stocked, query, 422)
    assert answer["errors"][0]["field"] == "q"
    assert message in answer["errors"][0]["message"]


def test_what_people_type_never_reaches_the_index_as_syntax(stocked: Harness) -> None:
    for query in ("NEAR(a b)", "title^2", "a AND b", "{x}", "x';DROP", "stems hotel"):
        search(stocked, query)


def test_older_matches_past_the_bound_are_left_out_and_said_to_be(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hits, "MAX_HITS", 3)
    for n in range(5):
        harness.add_item(f"i_{n}", "The ferry sank.")
    harness.projector().catch_up()
    answer = search(harness, "ferry")
    assert [hit["id"] for hit in answer["hits"]] == ["i_4", "i_3", "i_2"]
    assert (answer["total"], answer["is_exact"]) == (3, False)
    assert answer["facets"]["state"] == [{"value": "classified", "count": 3}]


def test_both_kinds_are_found_in_one_pass_as_each_is_alone(
    stocked: Harness,
) -> None:
    db = database.open_for_reading(stocked.settings.read_model)
    for text in ("hotel", "hotel OR leak", "hotel label:data_leak", "leak -lang:zh"):
        query = parse(text)
        together = hits.of_both(db, query)
        alone = (hits.of_items(db, query), hits.of_incidents(db, query))
        assert [sorted(one.ranked) for one in together] == [
            sorted(one.ranked) for one in alone
        ]
    db.close()


def test_an_old_item_is_found_behind_new_ones_of_its_incident(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hits, "MAX_HITS", 3)
    room = Newsroom(harness)
    incident = room.add("i_old", (LEAK,), text="The ferry sank with its records.")
    for n in range(6):
        room.add(f"i_{n}", (FAKE,), into=incident, text="A cloned ferry captain.")
    room.grow()
    db = database.open_for_reading(harness.settings.read_model)
    items, incidents = hits.of_both(db, parse("ferry label:data_leak"))
    assert len(items.numbers) == len(incidents.numbers) == 1
    assert items.is_all
    db.close()


class CountingClient:
    """A client of the API that counts the steps of SQLite's virtual machine, in tens."""

    def __init__(self, harness: Harness) -> None:
        self.client = harness.api_client()
        self.steps = 0
        self.db = database.open_for_reading(harness.settings.read_model)
        self.db.set_progress_handler(self._count, 10)
        reader = self.client.application.extensions["incidentwire.reader"]
        reader.read = lambda query, *args: query(self.db, *args)

    def _count(self) -> int:
        self.steps += 1
        return 0

    def get(self, path: str) -> tuple[int, Any]:
        """Return the steps of an answer, and the answer."""
        self.steps = 0
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return self.steps, answer.get_json()


def test_common_words_are_looked_for_in_the_newest_items_only(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newest, "ENOUGH", 3)
    monkeypatch.setattr(hits, "MAX_HITS", 8)
    text = "A cloned captain called the ferry office."
    for n in range(300):
        harness.add_item(f"i_old{n}", text)
    room = Newsroom(harness)
    for n in range(6):
        room.add(f"i_{n}", (FAKE,), text=text)
    room.grow()
    client = CountingClient(harness)
    wrong = {}
    for words in ("ferry captain", "ferry AND captain AND cloned", "ferry"):
        for path in ("incidents?limit=3", "incidents?limit=3&sort=updated"):
            asked = f"/v1/{path}&q={words}"
            monkeypatch.setattr(sql, "NEWEST", 1_000)
            whole, _ = client.get(asked)
            monkeypatch.setattr(sql, "NEWEST", 6)
            part, answer = client.get(asked)
            assert not answer["is_exact"]
            if part > whole / 2:
                wrong[asked] = (part, whole)
    assert not wrong
    client.db.close()


def test_common_words_with_few_incidents_among_the_newest_are_found_in_all(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "NEWEST", 3)
    room = Newsroom(harness)
    old = room.add("i_old", (LEAK,), text="The ferry sank with its records.")
    for n in range(6):
        room.add(f"i_{n}", (FAKE,), text="A cloned captain called the ferry office.")
    room.grow()
    assert room.list("q=ferry+records") == [old]
    assert room.list("q=ferry+-captain") == [old]
    found = search(harness, "ferry records", kind="incidents")
    assert [hit["id"] for hit in found["hits"]] == [old]
    assert found["is_exact"]
    assert room.list("q=ferry&sort=oldest&limit=2")[0] == old
    answer = room.get("?q=ferry&limit=2")
    pages = [answer]
    while pages[-1]["next"]:
        pages.append(room.get(f"?q=ferry&limit=2&cursor={pages[-1]['next']}"))
    shown = [one["id"] for page in pages for one in page["incidents"]]
    assert shown == room.list("limit=50")
    assert [page["is_exact"] for page in pages] == [False, True, True, True]


def test_a_word_after_not_is_looked_for_in_all_items(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "NEWEST", 3)
    monkeypatch.setattr(newest, "ENOUGH", 2)
    room = Newsroom(harness)
    with_captain = room.add("i_old", (FAKE,), text="The captain of the ferry sank it.")
    for n in range(3):
        room.add(f"i_{n}", (FAKE,), text="The captain spoke.")
    sank = "The ferry sank."
    room.add("i_late", (FAKE,), into=with_captain, text=sank)
    others = [room.add(f"i_other{n}", (FAKE,), text=sank) for n in range(2)]
    room.grow()
    found = search(harness, "ferry sank -captain", kind="incidents")
    assert {hit["id"] for hit in found["hits"]} == {*others}
    assert not found["is_exact"]
