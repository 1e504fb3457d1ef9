"""The linker: two papers on one happening come together, people are obeyed, and nothing is decided twice."""

from __future__ import annotations

import pytest

from incidentwire import incident_decisions as decisions
from incidentwire.events import IncidentOpened, ItemCorrected, ItemReclassifyRequested, ItemWithdrawn
from incidentwire.log import Log, Unit
from services.classifier.jobs import work
from services.classifier.linker import Linker
from tests.house import LEAK, PLAIN, House

TITLE = "Clinic chain left records of 61,000 patients open to anyone"
OTHER_PAPER = """Anyone could read the records of 61,000 patients of the Oakmere clinic chain until this week. A
security researcher found names, dates of birth and telephone numbers on an open server, and the data protection
authority has opened an inquiry into the data breach at Oakmere.

Oakmere said that it was sorry, and that the exposed personal data had been taken offline within a day."""
FIRST_PAPER = LEAK.replace("A chain of clinics", "The Oakmere chain of clinics").replace("The company", "Oakmere")
ELSEWHERE = """A ransomware gang has posted the personal data of 4,000 pupils of the Brindle school district, among them
medical notes and home addresses. The superintendent of Brindle said that the data was stolen in October, and that
families would be told this week. The gang had asked for two million dollars, which the district did not pay."""


@pytest.fixture
def three(house: House) -> list[str]:
    """Two papers on one breach, and one on another."""
    ids = [
        house.submit(title=TITLE, text=FIRST_PAPER, published="2026-03-11"),
        house.submit(title="Oakmere patient records stood open on the web", text=OTHER_PAPER, published="2026-03-12"),
        house.submit(title="Gang posts medical notes of Brindle pupils", text=ELSEWHERE, published="2026-03-12"),
    ]
    house.work()
    assert all("data_leak" in house.item(i).labels for i in ids)
    return ids


def linked(log: Log) -> Linker:
    linker = Linker(log)
    linker.catch_up()
    linker.settle_all()
    return linker


def home(linker: Linker, item: str) -> str | None:
    return linker.state.where(f"{item}#m0")


def test_two_papers_on_one_breach_become_one_incident(house: House, three: list[str]) -> None:
    linker = linked(house.log)
    assert home(linker, three[0]) == home(linker, three[1]) != home(linker, three[2])
    types = [e.type for e in house.log.read() if e.type.startswith("incident.")]
    assert types.count("incident.opened") == 2
    assert types.count("incident.item_linked") == 3


def test_an_item_without_label_belongs_to_no_incident(house: House) -> None:
    item = house.submit(title="Benches return to the river park", text=PLAIN)
    house.work()
    linker = linked(house.log)
    assert home(linker, item) is None
    assert house.log.last() == 3


def test_refolding_decides_nothing_anew(house: House, three: list[str]) -> None:
    first = linked(house.log)
    last = house.log.last()
    again = linked(house.log)
    assert house.log.last() == last
    assert again.state == first.state
    assert again.versions == first.versions


def test_two_linkers_started_by_mistake_open_nothing_twice(house: House, three: list[str]) -> None:
    one, other = Linker(house.log), Linker(house.log)
    one.catch_up()
    other.catch_up()  # both know the items, neither the other's answers
    one.settle_all()
    other.settle_all()
    one.catch_up()
    opened = [e.event.item for e in house.log.read() if isinstance(e.event, IncidentOpened)]
    assert len(opened) == len(set(opened)) == 2
    assert one.state == other.state
    placed = [k for i in one.state.live() for k in one.state.members(i.id)]
    assert sorted(placed) == sorted(f"{i}#m0" for i in three)


def test_a_withdrawn_item_leaves_and_an_empty_incident_is_closed_with_a_reason(house: House, three: list[str]) -> None:
    linker = linked(house.log)
    lonely = home(linker, three[2])
    house.log.append(three[2], ItemWithdrawn(who="admin"))
    linker = linked(house.log)
    assert home(linker, three[2]) is None
    assert lonely is not None
    assert (linker.state.get(lonely).status, linker.state.get(lonely).closed_empty) == ("dismissed", True)


def test_a_correction_reaches_the_incident(house: House, three: list[str]) -> None:
    linker = linked(house.log)
    incident = home(linker, three[0])
    for item in three[:2]:
        before = house.item(item)
        house.log.append(item, ItemCorrected(who="ann", labels=(), labels_before=before.labels))
    linker = linked(house.log)
    assert home(linker, three[0]) is None
    assert incident is not None
    assert linker.state.get(incident).status == "dismissed"


def test_a_mention_that_people_moved_out_is_not_put_back(house: House, three: list[str]) -> None:
    linker = linked(house.log)
    away, key = home(linker, three[2]), f"{three[1]}#m0"
    assert away is not None
    facts = decisions.move(linker.state, key, away, who="ann")
    house.log.append_many([Unit(facts=facts)])
    house.log.append(three[1], ItemReclassifyRequested(who="release"))
    work(house.place, [three[1]])
    linker = linked(house.log)
    assert home(linker, three[1]) == away


def test_a_person_who_was_faster_makes_the_linker_decide_again(house: House, three: list[str]) -> None:
    linker = linked(house.log)
    incident = home(linker, three[0])
    assert incident is not None
    late = house.submit(title="More on the Oakmere breach", text=OTHER_PAPER + " More of it.", published="2026-03-13")
    house.work()
    linker.catch_up()
    house.log.append_many([Unit(facts=decisions.rename(linker.state, incident, "The Oakmere breach", "ann"))])
    linker.settle_all()
    assert home(linker, late) == incident
    assert linker.state.get(incident).title == "The Oakmere breach"


def test_what_links_hold_no_word_of_the_page(house: House, three: list[str]) -> None:
    linked(house.log)
    stored = " ".join(e.data for e in house.log.read() if e.type.startswith("incident."))
    assert "Oakmere" not in stored
    assert '"shared"' in stored
