"""What leaves the review queue for good, links in doubt, and one label for many items."""

from __future__ import annotations

import re

from incidentwire import events as e
from tests.api.dashboard.conftest import Member, Site, doubt
from tests.eventually import eventually
from tests.newsroom import LEAK


def waiting(text: str) -> int:
    found = re.search(r"(\d+) (?:item|link)s? waits?", text)
    assert found is not None
    return int(found[1])


def test_what_is_left_as_it_is_stays_out_of_the_queue(pages: Site) -> None:
    curator = Member(pages, "curator")
    doubt(pages.harness, "i_left", 99)
    eventually(lambda: "part 99" in curator.see("/review"), "it is the newest")
    before = waiting(curator.see("/review"))
    n = pages.harness.log.history("i_left")[0].position
    answer = curator.fill_in("/review/i_left/leave", n=n)
    assert "part 99" not in answer.text
    assert "nobody is asked again" in answer.text
    assert pages.harness.item("i_left").reviewed == {"labels"}
    eventually(
        lambda: waiting(curator.see("/review")) == before - 1, "it waits no more"
    )
    assert "left/undo-leave" in answer.text
    again = curator.fill_in("/review/i_left/undo-leave", before=n)
    assert "part 99" in again.text
    assert waiting(again.text) == before


def test_a_link_in_doubt_is_left_or_moved(pages: Site) -> None:
    curator = Member(pages, "curator")
    room = pages.room
    rival = pages.ids["voice"]
    home = room.add("i_home", (LEAK,), title="Records of a harbour lay open")
    for name in ("i_close", "i_low"):
        room.add(name, (LEAK,), into=home, title=f"Harbour {name}")
    key = ("i_close#m0", "i_low#m0")
    for item, review, score in (("i_close", (rival,), 0.6), ("i_low", (), 0.23)):
        mention = {"item": item, "mention": "m0"}
        room.log.append(
            home,
            e.IncidentItemUnlinked(**mention, reason="moved"),
            e.IncidentItemLinked(**mention, score=score, review=review),
        )
    eventually(lambda: waiting(curator.see("/review/links")) == 2, "both wait")
    page = curator.see("/review/links")
    assert "Harbour i_close" in page
    assert "These came near too" in page
    assert "Records of a harbour" in page
    shown = Member(pages, "reader").see(f"/incidents/{home}")
    likely = shown.partition("Likely duplicates")[2].partition("</section>")[0]
    assert f"/incidents/{rival}" in likely
    assert "“Harbour i_close” came nearly as close to it" in likely
    assert "Preview the merge" not in likely  # a reader decides nothing
    assert f"/incidents/{home}/merge?into={rival}" in curator.see(f"/incidents/{home}")
    after = curator.fill_in("/review/links", key=key[0]).text
    assert "Harbour i_low" in after
    eventually(lambda: waiting(curator.see("/review/links")) == 1, "one waits")
    undone = curator.fill_in("/review/i_close/undo-leave", about="m0")
    assert waiting(undone.text) == 2
    moved = curator.fill_in(
        f"/incidents/{home}/move",
        version=room.version(home),
        mention=key[1],
        then="/review/links",
    )
    assert moved.status_code == 200
    assert room.state().where(key[1]) not in (home, None)


def test_one_label_is_added_to_all_results_and_taken_back(pages: Site) -> None:
    curator = Member(pages, "curator")
    for number in range(3):
        doubt(pages.harness, f"i_bulk{number}", 500 + number)
    harness = pages.harness
    harness.log.append("i_bulk2", e.ItemCorrected(who="ann", labels=("consent",)))
    query = "subject:i_bulk0 OR subject:i_bulk1 OR subject:i_bulk2"
    path = f"/review/bulk?label=deepfake&q={query}"
    eventually(lambda: "3 items would get" in curator.see(path), "it counts")
    assert all(harness.item(f"i_bulk{n}").labels != ("deepfake",) for n in range(2))
    answer = curator.fill_in("/review/bulk", q=query, label="deepfake")
    assert "The label was added to 3 items" in answer.text
    assert harness.item("i_bulk2").labels == ("consent", "deepfake")
    found = re.search(r'name="decision" value="(\w+)"', answer.text)
    assert found is not None
    position = harness.log.last()
    eventually(
        lambda: harness.get("/v1/stats")[1]["position"] >= position, "it is visible"
    )
    harness.log.append("i_bulk0", e.ItemCorrected(who="ann", labels=("data_leak",)))
    undone = curator.fill_in("/review/bulk/undo", decision=found[1])
    assert "2 items are as they were" in undone.text
    assert harness.item("i_bulk0").labels == ("data_leak",)
    assert harness.item("i_bulk1").corrected is None
    assert harness.item("i_bulk2").labels == ("consent",)
    refused = curator.fill_in("/review/bulk", q="label:", label="deepfake")
    assert refused.status_code == 422
    assert Member(pages, "reader").fill_in("/review/bulk").status_code == 403
