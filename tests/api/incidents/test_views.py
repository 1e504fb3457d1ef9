"""The incidents as they stand: filters, sorting, passages, redirects."""

from __future__ import annotations

import pytest

from incidentwire import events as e
from services.api.incidents import list_query
from services.api.read_model.incident_rows import lead
from tests.harness import Harness
from tests.newsroom import FAKE, LAW, LEAK, Newsroom

CLINIC = "Names of patients of the Harbour Clinic lay open. The clinic apologised to all of them."


@pytest.fixture
def room(harness: Harness) -> Newsroom:
    """Two reports on a leak, and a round-up that speaks of two other happenings."""
    room = Newsroom(harness)
    leak = room.add(
        "i_a1",
        (LEAK,),
        title="Records of Harbour Clinic exposed",
        text=CLINIC,
        published="2024-03-01",
        site="The Quay",
        language="en",
    )
    title = "Clinic says sorry"
    url = "https://cn.example.net/a2"
    room.add(
        "i_a2",
        (LEAK,),
        into=leak,
        title=title,
        published="2024-03-09T10:00:00Z",
        score=0.7,
        url=url,
    )
    week = room.add(
        "i_week",
        (FAKE,),
        (LAW,),
        title="The week in Brief",
        text="A face was swapped. A bill came.",
    )
    room.ids = {
        "leak": leak,
        "week": week,
        "bill": str(room.state().where("i_week#m1")),
    }
    room.grow()
    return room


def test_an_incident_tells_its_own_story(room: Newsroom) -> None:
    found = room.get("/" + room.ids["leak"])
    assert (found["title"], found["title_by"]) == (
        "Records of Harbour Clinic exposed",
        "item",
    )
    assert (found["labels"], found["status"], found["version"]) == (
        ["data_leak"],
        "open",
        0,
    )
    assert (found["first_report"], found["last_report"]) == ("2024-03-01", "2024-03-09")
    assert (found["item_count"], found["source_count"], found["mention_count"]) == (
        2,
        2,
        2,
    )
    assert [(s["name"], s["items"]) for s in found["sources"]] == [
        ("cn.example.net", 1),
        ("news.example.org", 1),
    ]
    assert found["entities"] == [{"name": "Harbour Clinic", "items": 1}]
    first = found["items"][0]
    assert (first["id"], first["report"], first["mentions"][0]["quote"]) == (
        "i_a1",
        "2024-03-01",
        CLINIC,
    )
    assert first["mentions"][0]["evidence"] == [
        {"label": "data_leak", "start": 0, "end": 4, "quote": "Name"}
    ]
    assert first["mentions"][0]["key"] == "i_a1#m0"


def test_the_items_of_an_incident_come_in_pages(room: Newsroom) -> None:
    path = f"/{room.ids['leak']}?limit=1"
    first = room.get(path)
    second = room.get(f"{path}&cursor={first['next_items']}")
    shown = [[item["id"] for item in page["items"]] for page in (first, second)]
    assert shown == [["i_a1"], ["i_a2"]]
    assert second["next_items"] is None


def test_a_round_up_belongs_to_several_incidents_each_with_its_passage(
    room: Newsroom,
) -> None:
    face = room.get("/" + room.ids["week"])
    bill = room.get("/" + room.ids["bill"])
    assert (face["labels"], bill["labels"]) == (["deepfake"], ["regulation"])
    assert face["items"][0]["mentions"][0]["quote"] == "A face was swapp"
    assert bill["items"][0]["mentions"][0]["quote"] == "ed. A bill came."
    assert face["title"] == "The week in Brief: A face was swapp"
    assert bill["title"] == "The week in Brief: ed. A bill came."


def test_a_round_up_gives_its_name_only_to_what_nobody_else_reports(
    room: Newsroom,
) -> None:
    room.add(
        "i_bill", (LAW,), into=room.ids["bill"], title="Senate takes up the Face Bill"
    )
    room.grow()
    assert room.get("/" + room.ids["bill"])["title"] == "Senate takes up the Face Bill"
    room.log.append("i_week", e.ItemWithdrawn(who="ann"))
    room.link("i_week")
    room.grow()
    assert room.get("/" + room.ids["week"])["title"] is None


def test_no_word_of_a_page_stays_in_the_name_of_an_incident_when_the_page_has_expired(
    room: Newsroom,
) -> None:
    assert "face was swapp" in room.get("/" + room.ids["week"])["title"]
    room.log.append("i_week", e.ItemExpired(what="all"))
    room.grow()
    assert room.get("/" + room.ids["week"])["title"] is None


@pytest.mark.parametrize(
    ("passage", "message"),
    [
        ("What was taken\nNames and addresses.", "What was taken"),
        ("\n  \n", ""),
        ("one  line   only", "one line only"),
        ("word " * 40, ("word " * 18).strip() + "…"),
        ("脸" * 200, "脸" * 90 + "…"),
    ],
)
def test_a_passage_is_called_by_its_first_line(passage: str, message: str) -> None:
    assert lead(passage) == message


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", ["bill", "week", "leak"]),
        ("sort=oldest", ["leak", "week", "bill"]),
        ("sort=items", ["leak", "bill", "week"]),
        ("sort=updated", ["bill", "week", "leak"]),
        ("label=data_leak", ["leak"]),
        ("label=data_leak&label=deepfake", []),
        ("label=deepfake", ["week"]),
        ("status=open,confirmed", ["bill", "week", "leak"]),
        ("status=dismissed", []),
        ("source=cn.example.net", ["leak"]),
        ("source=The%20Quay", ["leak"]),
        ("q=patients", ["leak"]),
        ("q=patients+orchestra", []),
        ("entity=harbour", ["leak"]),
        ("entity=patients", []),
        ("entity=brief", ["bill", "week"]),
        ("to=2024-03-01", ["leak"]),
        ("from=2024-03-09&to=2024-03-31", ["leak"]),
        ("from=2024-03-02&to=2024-03-08", ["leak"]),
        ("to=2024-02-28", []),
    ],
)
def test_filters(room: Newsroom, query: str, wanted: list[str]) -> None:
    assert room.list(query) == [room.ids[name] for name in wanted]
    assert room.list(f"{query}&as_of={room.log.last()}") == [
        room.ids[name] for name in wanted
    ]


@pytest.mark.parametrize(
    "sort", ["newest", "oldest", "last_report", "items", "updated"]
)
@pytest.mark.parametrize("then", [False, True])
def test_pages_join_without_overlap(room: Newsroom, sort: str, then: bool) -> None:
    for n in range(7):
        room.add(f"i_more{n}", (LEAK,), published=f"2024-01-0{n % 3 + 1}")
    room.grow()
    query = f"sort={sort}" + (f"&as_of={room.log.last()}" if then else "")
    whole = room.list(query)
    parts = list[str]()
    cursor = ""
    while cursor is not None:
        page = room.get(f"?{query}&limit=3" + (f"&cursor={cursor}" if cursor else ""))
        parts += [incident["id"] for incident in page["incidents"]]
        cursor = page["next"]
    assert (len(whole), parts) == (10, whole)


@pytest.mark.parametrize(
    "query",
    [
        "cursor=items..3",
        "cursor=newest.3",
        "sort=items&cursor=items.-.3",
        "as_of=2023-02-29T00:00:00Z",
        "as_of=2023-13-01T00:00:00Z",
        "sort=best",
        "status=closed",
        "limit=0",
        "x=1",
        "as_of=yesterday",
        "as_of=2024-01-01T00:00:00",
        "from=soon",
        "q=***",
        "q=NOT+AND+(",
    ],
)
def test_senseless_questions_are_refused(room: Newsroom, query: str) -> None:
    assert room.get(f"?{query}", 422)["status"] == 422


def test_a_cursor_of_another_order_is_refused(room: Newsroom) -> None:
    assert room.get("?sort=oldest&cursor=items.1.3", 409)["type"].endswith(
        ":cursor-of-another-list"
    )


def test_an_unknown_incident_is_not_found(room: Newsroom) -> None:
    assert (
        room.get("/n_unknown", 404)["type"]
        == "urn:incidentwire:problem:unknown-incident"
    )


def test_a_merged_id_shows_the_target_and_after_the_undo_itself(room: Newsroom) -> None:
    leak = room.ids["leak"]
    week = room.ids["week"]
    before = room.get(f"/{week}")
    room.command(week, "merge", into=leak, into_version=0)
    answer = room.client.get(f"/v1/incidents/{week}")
    found = answer.get_json()
    assert answer.headers["Content-Location"] == f"/v1/incidents/{leak}"
    ids = (found["id"], found["requested_id"], found["merged"])
    assert ids == (leak, week, [week])
    assert (found["item_count"], found["labels"]) == (3, ["data_leak", "deepfake"])
    assert room.list() == [room.ids["bill"], leak]
    room.command(week, "unmerge")
    after = room.get(f"/{week}")
    assert {
        k: v
        for k, v in after.items()
        if k not in ("position", "updated_at", "version", "as_of")
    } == {
        k: v
        for k, v in before.items()
        if k not in ("position", "updated_at", "version", "as_of")
    }


def test_a_corrected_item_changes_its_incident_and_a_withdrawn_one_leaves_it(
    room: Newsroom,
) -> None:
    leak = room.ids["leak"]
    room.log.append(
        "i_a1", e.ItemCorrected(who="ann", labels=(LEAK, LAW), labels_before=(LEAK,))
    )
    room.grow()
    assert room.get(f"/{leak}")["labels"] == ["data_leak", "regulation"]
    room.log.append("i_a1", e.ItemWithdrawn(who="admin"))
    room.harness.archive.delete("i_a1")
    room.grow()
    found = room.get(f"/{leak}")
    assert (found["title"], found["labels"]) == ("Clinic says sorry", ["data_leak"])
    assert (
        found["items"][0]["mentions"][0]["quote"] is None
        or found["items"][0]["id"] == "i_a2"
    )
    room.link("i_a1")
    room.grow()
    assert [item["id"] for item in room.get(f"/{leak}")["items"]] == ["i_a2"]
    room.log.append("i_a2", e.ItemWithdrawn(who="admin"))
    room.link("i_a2")
    room.grow()
    closed = room.get(f"/{leak}")
    assert (closed["status"], closed["closed_empty"], closed["item_count"]) == (
        "dismissed",
        True,
        0,
    )
    assert (closed["title"], closed["last_report"], closed["labels"]) == (
        None,
        None,
        [],
    )
    assert leak not in room.list("")
    assert leak in room.list("status=dismissed")


def test_a_title_that_a_person_gave_stands_and_is_found(room: Newsroom) -> None:
    leak = room.ids["leak"]
    room.command(leak, "title", title="Open server at a Seaside Hospital")
    assert room.list("q=seaside") == [leak]
    assert room.list("entity=hospital") == [leak]
    assert room.get(f"/{leak}")["title_by"] == "person"


@pytest.mark.parametrize(
    "sort", ["newest", "oldest", "last_report", "items", "updated"]
)
def test_a_list_as_of_then_looks_on_until_the_page_is_full(
    room: Newsroom, sort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        list_query, "LEAST", 1
    )  # rows at a time: as many as the page has
    for n in range(
        6
    ):  # each a candidate by its title, but for the first none has the word
        named = room.add(
            f"i_named{n}", (LEAK,), text="A zeppelin." if n == 0 else "Nothing of it."
        )
        room.command(named, "title", title=f"Open server {n}")
    last = room.log.last()
    for query in (
        "q=zeppelin",
        "q=nothing",
        "q=server&label=data_leak",
        "status=open&source=news.example.org",
        "",
    ):
        now = room.list(f"{query}&sort={sort}&limit=2")
        assert now
        assert room.list(f"{query}&sort={sort}&limit=2&as_of={last}") == now
    assert room.list(f"q=nothing&sort={sort}&limit=2&as_of={last - 1}")
