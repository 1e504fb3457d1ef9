"""Which page is next: keys take turns, hosts take turns, single before bulk."""

from __future__ import annotations

from collections.abc import Iterator

from services.classifier.fetching.fetch_order import Fetch, FetchSchedule


def fetch(
    name: str, key: str, host: str, order: int = 0, *, bulk: bool = False
) -> Fetch:
    return Fetch(id=name, key=key, host=host, order=order, bulk=bulk)


def always(_key: str, _bulk: bool) -> bool:
    return True


def taken(schedule: FetchSchedule, now: float = 0.0) -> Iterator[str]:
    while (found := schedule.next(now, always)) is not None:
        yield found.id


def test_keys_take_turns_however_many_pages_one_has() -> None:
    schedule = FetchSchedule()
    for n in range(1000):
        schedule.add(fetch(f"many{n}", "ann", f"h{n}.example", n))
    for n in range(3):
        schedule.add(fetch(f"few{n}", "bob", "b.example", 5000 + n))
    first = [name for name, _ in zip(taken(schedule), range(6), strict=False)]
    assert first == ["many0", "few0", "many1", "few1", "many2", "few2"]


def test_hosts_of_a_key_take_turns() -> None:
    schedule = FetchSchedule()
    for n in range(1000):
        schedule.add(fetch(f"slow{n}", "ann", "slow.example", n))
    schedule.add(fetch("other", "ann", "other.example", 5000))
    first = [name for name, _ in zip(taken(schedule), range(3), strict=False)]
    assert first == ["slow0", "other", "slow1"]


def test_single_pages_of_a_key_come_before_its_bulk_ones_and_early_ones_first() -> None:
    schedule = FetchSchedule()
    schedule.add(fetch("bulk", "ann", "a.example", 1, bulk=True))
    schedule.add(fetch("late", "ann", "a.example", 7))
    schedule.add(fetch("early", "ann", "a.example", 3))
    assert list(taken(schedule)) == ["early", "late", "bulk"]


def test_a_host_that_rests_holds_up_nobody_else() -> None:
    schedule = FetchSchedule()
    schedule.add(fetch("a", "ann", "a.example", 1))
    schedule.add(fetch("b", "ann", "b.example", 2))
    schedule.rest("a.example", until=10.0)
    assert list(taken(schedule, now=5.0)) == ["b"]
    assert schedule.next_wake(5.0) == 5.0
    assert list(taken(schedule, now=10.0)) == ["a"]
    assert schedule.next_wake(10.0) is None


def test_a_key_that_has_enough_under_way_waits_and_its_singles_need_not() -> None:
    schedule = FetchSchedule()
    schedule.add(fetch("bulk", "ann", "a.example", 1, bulk=True))
    schedule.add(fetch("single", "ann", "b.example", 2))
    schedule.add(fetch("other", "bob", "c.example", 3))

    def no_bulk_of_ann(key: str, bulk: bool) -> bool:
        return not (key == "ann" and bulk)

    found = [schedule.next(0.0, no_bulk_of_ann) for _ in range(3)]
    assert [f and f.id for f in found] == ["single", "other", None]


def test_the_same_page_twice_is_one() -> None:
    schedule = FetchSchedule()
    schedule.add(fetch("a", "ann", "a.example", 1))
    schedule.add(fetch("a", "ann", "a.example", 2))
    assert len(schedule) == 1
    assert list(taken(schedule)) == ["a"]
    assert "a" not in schedule
