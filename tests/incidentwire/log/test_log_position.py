"""A checkpoint knows the event it stands on, so that another log is not continued."""

from __future__ import annotations

from incidentwire.events import FeedRemoved
from incidentwire.log.event_log import LOG_ID, EventLog
from incidentwire.log.log_position import LogPosition
from tests.lost_tail import cut


def grown(log: EventLog, *feeds: str) -> None:
    for feed in feeds:
        log.append(feed, FeedRemoved(who="ann"))


def at_the_end(log: EventLog) -> LogPosition:
    last = log.get(log.last())
    assert last is not None
    return LogPosition.of(log.id, last)


def test_the_log_that_was_read_is_continued(log: EventLog) -> None:
    assert LogPosition(log_id=log.id).mismatch(log) == ""
    grown(log, "f_a", "f_b")
    held = at_the_end(log)
    grown(log, "f_c")
    assert held.mismatch(log) == ""


def test_a_shorter_log_is_not(log: EventLog) -> None:
    grown(log, "f_a", "f_b")
    held = at_the_end(log)
    cut(log.connection, 1)
    assert held.mismatch(log) == "the log ends at 1, before position 2"


def test_a_log_with_another_event_there_is_not(log: EventLog) -> None:
    grown(log, "f_a", "f_b")
    held = at_the_end(log)
    cut(log.connection, 1)
    grown(log, "f_x", "f_y")
    assert held.mismatch(log) == "the log has another event at position 2"


def test_a_restored_log_is_not(log: EventLog) -> None:
    grown(log, "f_a")
    held = at_the_end(log)
    log.connection.set(LOG_ID, "restored")
    assert held.mismatch(log).startswith("the log is restored, not ")
