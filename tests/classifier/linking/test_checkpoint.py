"""The linker's checkpoint: what it brings back equals a refold, and what does not fit is passed over with a reason."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import logging
import random
import signal
import subprocess
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
import zstandard
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from incidentwire import events as e
from incidentwire.incidents import decisions as decisions
from incidentwire.incidents.decisions import CommandRejected
from incidentwire.incidents.state import IncidentsState
from incidentwire.labels import MentionRef
from incidentwire.log.checkpoint import (
    DIGEST_BYTES,
    CheckpointHeader,
    InvalidCheckpoint,
)
from incidentwire.log.event_log import LOG_ID, AppendRequest, EventLog, Withdrawn
from incidentwire.log.recorded_event import RecordedEvent
from services.classifier.linker import Linker
from services.classifier.linking.checkpoint import (
    EVERY,
    NAME,
    LinkerCheckpoint,
    code,
    read,
    write,
)
from services.classifier.linking.linker_state import LinkerState
from services.classifier.linking.merge_rule import decode, fingerprint
from tests.eventually import eventually
from tests.harness import Harness, process
from tests.store import Store

STORIES = (
    "Marwick Vale Clinics left records of {n} patients on a server of Ostrel Data; Ilse Brandt opened an inquiry",
    "Brindle schools lost medical notes of {n} pupils to the Redkite gang, superintendent Oona Farrel told families",
    "白湖野生动物园要求{n}名年卡用户刷脸入园,游客起诉园方,法院周五开庭审理",
)


def outcome(story: int, number: int) -> str:
    """Return a fingerprint of one more report of a story."""
    extra = " ".join(
        random.Random(number).sample(
            ["paper", "radio", "clerk", "letter", "bridge", "harbour"], 3
        )
    )
    return fingerprint(
        "",
        f"{STORIES[story].format(n=1000 + number)} {extra}",
        f"2026-03-{1 + number % 28:02}",
    )


def classify(log: EventLog, item: str, *prints: str) -> None:
    labels: Any = ("data_leak",)
    refs = tuple(
        MentionRef(id=f"m{n}", start=0, end=9, labels=labels, fingerprint=p)
        for n, p in enumerate(prints)
    )
    log.append(
        item,
        e.ItemClassified(
            text_digest="d",
            model="test",
            scores={},
            labels=labels if refs else (),
            evidence={},
            mentions=refs,
        ),
    )


def caught_up(log: EventLog, checkpoints: LinkerCheckpoint | None = None) -> Linker:
    linker = Linker(log, checkpoints)
    linker.catch_up()
    return linker


def settled(log: EventLog) -> Linker:
    linker = caught_up(log)
    linker.settle_all()
    return linker


@pytest.fixture
def news(log: EventLog) -> EventLog:
    """Three incidents of two reports each."""
    for number in range(6):
        classify(log, f"i_{number}", outcome(number % 3, number))
    settled(log)
    return log


# -- equal to a refold -------------------------------------------------------------------------------------------------


def same(one: Any, other: Any) -> bool:
    """Equal down to the last array and private field; `is` of types, since 1 == True."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, array):
        return one.typecode == other.typecode and np.array_equal(
            np.asarray(one), np.asarray(other)
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(
            same(one[key], other[key]) for key in one
        )
    if hasattr(one, "__dict__"):
        return same(vars(one), vars(other))
    return bool(one == other)


def different(one: Linker, other: Linker) -> list[str]:
    """Return what the two do not hold alike."""
    held = [field.name for field in dataclasses.fields(LinkerState)]
    found = [
        name
        for name in held
        if not same(getattr(one.known, name), getattr(other.known, name))
    ]
    return found if answers(one) == answers(other) else [*found, "answers"]


def answers(linker: Linker) -> list[Any]:
    """Return what the index says of many mentions, known and unknown."""
    return [linker.index.matches(decode(outcome(n % 3, n))) for n in range(100, 130)]


def grow(linker: Linker) -> None:
    """More mentions come and go: freed rows are used again, postings grow."""
    for number in range(200, 215):
        incident = (
            linker.index.ids[number % len(linker.index.ids)]
            if number % 4 and linker.index.ids
            else f"n_{number}"
        )
        linker.index.add(
            incident, f"i_{number}#m0", decode(outcome(number % 3, number))
        )
        if number % 5 == 0:
            linker.index.remove(incident, f"i_{number}#m0")


Step = tuple[str, int, int]
PEOPLE: dict[str, Callable[[IncidentsState, str, str, list[str]], Any]] = {
    "move": lambda state, key, to, _: decisions.move(state, key, to, "ann"),
    "merge": lambda state, key, to, _: decisions.merge(
        state, state.where(key) or "", to, "ann"
    ),
    "unmerge": lambda state, key, to, merged: decisions.unmerge(
        state, merged[len(key) % len(merged)], "ann"
    ),
    "split": lambda state, key, to, _: decisions.split(state, to, [key], "ann"),
    "unsplit": lambda state, key, to, _: decisions.unsplit(state, to, "ann"),
    "rename": lambda state, key, to, _: decisions.rename(
        state, to, "Ann’s “odd” title, 题", "ann"
    ),
}


def happens(
    log: EventLog, state: IncidentsState, number: int, what: str, one: int, other: int
) -> None:
    """One step; `one` and `other` choose among what there is. Raises Refused and Withdrawn."""
    item = f"i_{one}"
    match what:
        case "report":
            classify(
                log,
                f"i_{number}",
                *[outcome(one % 3, number + n) for n in range(other % 3)],
            )
        case "again":
            classify(log, item, outcome(other % 3, number))
        case "correct":
            log.append(
                item,
                e.ItemCorrected(who="ann", labels=("consent",) if other % 2 else ()),
            )
        case "withdraw":
            log.append(item, e.ItemWithdrawn(who="ann"))
        case _:
            keys = list(state.links) or ["i_0#m0"]
            live = [i.id for i in state.active()] or ["n_"]
            merged = [i.id for i in state.by_id.values() if i.into] or ["n_"]
            facts = PEOPLE[what](
                state, keys[one % len(keys)], live[other % len(live)], merged
            )
            log.append_many([AppendRequest(events=facts)])


def happen(
    log: EventLog,
    steps: list[Step],
    checkpoints: LinkerCheckpoint | None = None,
    save_after: int = 0,
) -> None:
    """Write a history: reports come, are judged anew, corrected and withdrawn; people rearrange; the linker answers. It
    writes a checkpoint after so many steps."""
    linker = Linker(log, checkpoints)
    for number, (what, one, other) in enumerate(steps):
        with contextlib.suppress(CommandRejected, Withdrawn):
            happens(log, linker.state, number, what, one, other)
        linker.catch_up()
        linker.settle_all()
        if number == save_after:
            linker.save()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["report"] * 12
            + ["again", "again", "correct", "withdraw", "move", "move", *PEOPLE]
        ),
        st.integers(0, 40),
        st.integers(0, 40),
    ),
    min_size=5,
    max_size=40,
)


def differences(
    log: EventLog, folder: Path, steps: list[Step], share: float
) -> list[str]:
    """Return what a refold and a start from a checkpoint do not have in common, by name: a failing example keeps what its
    frames hold, and a linker takes 30 MB."""
    happen(
        log,
        steps,
        LinkerCheckpoint(folder / "live"),
        save_after=int(share * len(steps)),
    )
    half = Linker(log, LinkerCheckpoint(folder / "refolding"))
    half.take(entry for entry in log.read() if entry.position <= share * log.last())
    half.save()
    refolded = caught_up(log)
    resumed = caught_up(log, LinkerCheckpoint(folder / "refolding"))
    found = [f"refolding: {name}" for name in different(resumed, refolded)]
    live = caught_up(
        log, LinkerCheckpoint(folder / "live")
    )  # what was news is answered and forgotten there
    if live.settle_all() or refolded.settle_all():
        found.append("something is decided anew")
    found += [f"live: {name}" for name in different(live, refolded)]
    for linker in (resumed, live, refolded):
        grow(linker)
    for name, linker in (("resumed", resumed), ("live", live)):
        if not same(linker.index, refolded.index) or answers(linker) != answers(
            refolded
        ):
            found.append(f"{name}: how the index grows")
    return found


@settings(
    max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate]
)  # to make one smaller takes minutes
@given(steps=STEPS, share=st.floats(0.0, 1.0))
def test_a_checkpoint_and_the_tail_give_what_a_refold_gives(
    shared_store: Store,
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[Step],
    share: float,
) -> None:
    shared_store.connect().flushall()
    assert (
        differences(
            EventLog(shared_store.connect()),
            tmp_path_factory.mktemp("linker"),
            steps,
            share,
        )
        == []
    )


def test_a_history_of_everything_at_once_comes_back(
    log: EventLog, tmp_path: Path
) -> None:
    """One fixed history in which each kind of step has happened, more reports than an incident keeps among them."""
    steps = [("report", n % 2, 1 + n % 2) for n in range(24)]
    steps += [
        ("move", 3, 1),
        ("again", 3, 2),
        ("merge", 1, 0),
        *(("split", one, other) for one in range(8) for other in range(3)),
        ("rename", 0, 0),
        ("correct", 4, 1),
    ]
    steps += [
        ("withdraw", 5, 0),
        ("report", 2, 2),
        ("unmerge", 0, 0),
        ("merge", 2, 1),
        ("again", 7, 0),
    ]
    happen(log, steps)
    linker = settled(log)
    types = {entry.type for entry in log.read()}
    assert {
        "incident.merged",
        "incident.unmerged",
        "incident.split",
        "incident.item_unlinked",
    } <= types
    assert any(i.split_members for i in linker.state.by_id.values())
    assert linker.state.cannot_link
    for position in range(1, log.last() + 1, 5):
        half = Linker(log, LinkerCheckpoint(tmp_path))
        half.take(
            entry for entry in log.read(half.position) if entry.position <= position
        )
        half.save()
        resumed = caught_up(log, LinkerCheckpoint(tmp_path))
        resumed.settle_all()
        assert different(resumed, linker) == [], position


def test_an_index_that_grew_shrank_and_merged_comes_back(
    news: EventLog, tmp_path: Path
) -> None:
    """Enough of everything for several freed rows, in no order, and for arrays that grew."""
    linker = caught_up(news, LinkerCheckpoint(tmp_path))
    drawn = random.Random(5)
    index = linker.index
    there = list[tuple[str, str]]()
    for number in range(400):
        incident = f"n_{drawn.randrange(60)}"
        mention = f"i_{number}#m0"
        index.add(incident, mention, decode(outcome(number % 3, number)))
        there.append((incident, mention))
        if drawn.random() < 0.3:
            index.remove(*there.pop(drawn.randrange(len(there))))
        if drawn.random() < 0.1:
            index.unmerge(f"n_{drawn.randrange(30)}")
            index.merge(f"n_{drawn.randrange(30)}", f"n_{30 + drawn.randrange(30)}")
    for incident, mention in drawn.sample(there[-40:], 30):
        index.remove(incident, mention)
    free = index.state()[1]["free_rows"].tolist()
    assert len(free) > 5
    assert free != sorted(free)
    linker.save()
    again = caught_up(news, LinkerCheckpoint(tmp_path))
    assert same(again.index, index)
    assert answers(again) == answers(linker)
    for one in (again, linker):
        grow(one)
    assert same(again.index, index)


def test_what_comes_later_in_the_log_does_not_change_what_a_fold_makes_of_the_past(
    log: EventLog,
) -> None:
    classify(log, "i_0", outcome(0, 0))
    classify(log, "i_1", outcome(1, 1))
    linker = settled(log)
    away = linker.state.where("i_1#m0") or ""
    log.append_many(
        [AppendRequest(events=decisions.move(linker.state, "i_0#m0", away, "ann"))]
    )
    linker.catch_up()
    classify(log, "i_0", outcome(2, 50))  # judged anew after the move
    linker.catch_up()
    assert same(caught_up(log).index, linker.index)


# -- only the tail ----------------------------------------------------------------------------------------------------


class Counting(EventLog):
    """A log that remembers from where it was read."""

    def __init__(self, connection: redis.Redis) -> None:
        super().__init__(connection)
        self.asked: list[int] = []

    def after(self, position: int, limit: int = 1000) -> list[RecordedEvent]:
        self.asked.append(position)
        return super().after(position, limit)


def test_a_start_from_a_checkpoint_reads_only_the_tail(
    news: EventLog, tmp_path: Path
) -> None:
    caught_up(news, LinkerCheckpoint(tmp_path)).save()
    kept_at = news.last()
    classify(news, "i_late", outcome(0, 60))
    counting = Counting(news.connection)
    linker = caught_up(counting, LinkerCheckpoint(tmp_path))
    assert counting.asked == [kept_at, kept_at + 1]
    linker.settle_all()
    assert linker.state.where("i_late#m0") == linker.state.where("i_0#m0")


def test_what_was_to_be_answered_is_answered_after_the_start(
    log: EventLog, tmp_path: Path
) -> None:
    classify(log, "i_0", outcome(0, 0))
    before = caught_up(log, LinkerCheckpoint(tmp_path))
    before.save()
    linker = caught_up(log, LinkerCheckpoint(tmp_path))
    assert different(linker, before) == []
    assert list(linker.known.pending_fingerprints) == ["i_0#m0"]
    assert linker.settle_all() == 1
    assert linker.state.where("i_0#m0")


def test_one_is_written_every_so_many_events(log: EventLog, tmp_path: Path) -> None:
    submitted = e.ItemSubmitted(url="https://news.example.org/", via="test")
    checkpoints = LinkerCheckpoint(tmp_path)
    linker = Linker(log, checkpoints)
    log.append_many(
        [AppendRequest(events=[(f"i_{n}", submitted)]) for n in range(EVERY - 1)]
    )
    linker.catch_up()
    assert not checkpoints.path.exists()
    log.append("i_last", submitted)
    linker.catch_up()
    assert read(checkpoints.path, log).position == EVERY
    assert not checkpoints.is_due(2 * EVERY - 1)
    assert checkpoints.is_due(2 * EVERY)
    checkpoints.saved_at = 70 * EVERY  # a long log: the share counts
    assert not checkpoints.is_due(79 * EVERY)
    assert checkpoints.is_due(80 * EVERY)


def test_nothing_is_written_where_nothing_was_folded(
    news: EventLog, tmp_path: Path
) -> None:
    Linker(EventLog(news.connection), LinkerCheckpoint(tmp_path)).save()
    assert list(tmp_path.iterdir()) == []
    caught_up(news, LinkerCheckpoint(tmp_path)).save()
    before = (tmp_path / NAME).stat().st_ino
    caught_up(news, LinkerCheckpoint(tmp_path)).save()
    assert (tmp_path / NAME).stat().st_ino == before


# -- what does not fit is passed over -----------------------------------------------------------------------------------


@pytest.fixture
def kept(news: EventLog, tmp_path: Path) -> Path:
    """Return the path of a good checkpoint."""
    caught_up(news, LinkerCheckpoint(tmp_path)).save()
    assert read(tmp_path / NAME, news).position == news.last()
    return tmp_path / NAME


def refused(log: EventLog, path: Path, caplog: pytest.LogCaptureFixture) -> str:
    """Why the checkpoint was passed over, as the log line says; the linker refolds and ends up the same."""
    caplog.clear()
    with caplog.at_level(logging.INFO):
        linker = Linker(log, LinkerCheckpoint(path.parent))
    assert linker.position == 0
    linker.catch_up()
    assert different(linker, caught_up(log)) == []
    (line,) = caplog.messages
    assert line.startswith("checkpoint ignored path=")
    return line


def test_every_cut_and_every_flipped_byte_is_noticed(
    kept: Path, news: EventLog, tmp_path: Path
) -> None:
    whole = kept.read_bytes()
    torn = tmp_path / "torn"
    for end in range(len(whole)):
        torn.write_bytes(whole[:end])
        with pytest.raises(InvalidCheckpoint, match="checksum"):
            read(torn, news)
    for at in range(len(whole)):
        torn.write_bytes(
            whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]
        )
        with pytest.raises(InvalidCheckpoint, match="checksum"):
            read(torn, news)
    torn.write_bytes(whole + b"\0")
    with pytest.raises(InvalidCheckpoint, match="checksum"):
        read(torn, news)


def test_a_torn_one_is_ignored(
    kept: Path, news: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    kept.write_bytes(kept.read_bytes()[:-100])
    assert "torn or damaged" in refused(news, kept, caplog)


def test_one_of_another_log_is_ignored(
    kept: Path, news: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    news.connection.delete(LOG_ID)  # what docs/operations.md asks for after a restore
    assert "the log is" in refused(EventLog(news.connection), kept, caplog)


def test_one_that_is_ahead_of_the_log_is_ignored(
    kept: Path, news: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    put_back(news, 4)
    assert "the log ends at 4" in refused(EventLog(news.connection), kept, caplog)


def test_one_of_a_log_that_went_another_way_is_ignored(
    kept: Path, news: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    put_back(news, news.last() + 3)
    assert "the log has another event at position" in refused(
        EventLog(news.connection), kept, caplog
    )


def put_back(log: EventLog, length: int) -> None:
    """Replace the log by one of this length, with the same id."""
    identity = log.id
    log.connection.flushall()
    log.connection.set(LOG_ID, identity)
    for number in range(length):
        classify(log, f"i_other_{number}")


@pytest.mark.parametrize(
    ("change", "why"),
    [({"format": 2}, "format 2, not 1"), ({"code": "0" * 64}, "other code wrote it")],
)
def test_one_of_another_format_or_other_code_is_ignored(
    kept: Path,
    news: EventLog,
    caplog: pytest.LogCaptureFixture,
    change: dict[str, Any],
    why: str,
) -> None:
    mark = dataclasses.replace(CheckpointHeader.of(news, news.last(), code()), **change)
    write(kept, mark, read(kept, news))
    assert why in refused(news, kept, caplog)


@pytest.mark.parametrize("payload", [b"no zstd", zstandard.compress(b"no arrays"), b""])
def test_one_that_holds_nonsense_is_ignored(
    kept: Path, news: EventLog, caplog: pytest.LogCaptureFixture, payload: bytes
) -> None:
    stamp, _, _ = kept.read_bytes().partition(b"\n")
    body = stamp + b"\n" + payload
    kept.write_bytes(body + hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest())
    assert "cannot be read" in refused(news, kept, caplog)


def test_without_one_the_linker_folds_all(
    news: EventLog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert Linker(news, LinkerCheckpoint(tmp_path / "nowhere")).position == 0
    assert caplog.messages == [f"no checkpoint path={tmp_path}/nowhere/{NAME}"]


# -- writing ------------------------------------------------------------------------------------------------------------

CHILD = """
import resource, signal, sys
from pathlib import Path
import redis
from incidentwire.log.event_log import EventLog
from services.classifier.linker import Linker
from services.classifier.linking.checkpoint import NAME, LinkerCheckpoint
url, folder, what = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
linker = Linker(EventLog(redis.Redis.from_url(url)), LinkerCheckpoint(folder))
linker.known.position = 0 if what == "endless" else linker.position
linker.catch_up()
if what in ("killed", "full"):  # the first write past so many bytes ends the process, or fails
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if what == "killed" else signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    linker.save()
    print("went on", flush=True)
while what == "endless":
    linker.checkpoint.saved_at = 0
    linker.save()
    print("saved", flush=True)
"""


def child(store: Store, folder: Path, what: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, store.url, str(folder), what],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("what", "ends"), [("killed", -signal.SIGXFSZ), ("full", 0)])
def test_a_linker_killed_while_writing_or_out_of_space_leaves_the_old_one(
    kept: Path, news: EventLog, store: Store, what: str, ends: int
) -> None:
    before = kept.read_bytes()
    size = kept.stat().st_size
    assert size > 2000
    kept_at = news.last()
    for number in range(300, 330):
        classify(news, f"i_{number}", outcome(number % 3, number))
    running = child(store, kept.parent, what)
    result, _ = running.communicate(timeout=60)
    assert running.returncode == ends
    assert result == ("" if what == "killed" else "went on\n")
    unfinished = kept.with_name(f"{NAME}.part")
    if what == "killed":  # in the middle of it; who fails removes it
        assert 0 < unfinished.stat().st_size <= 2000
    else:
        assert not unfinished.exists()
    assert kept.read_bytes() == before
    linker = caught_up(
        news, LinkerCheckpoint(kept.parent)
    )  # and the next one is not kept from writing
    linker.save()
    assert read(kept, news).position == news.last() > kept_at


def test_two_linkers_on_one_folder_and_kill_9_corrupt_nothing(
    kept: Path, news: EventLog, store: Store
) -> None:
    for _ in range(3):
        running = [child(store, kept.parent, "endless") for _ in range(2)]
        for one in running:
            assert one.stdout is not None
            for _ in range(3):
                assert one.stdout.readline() == "saved\n"
                assert read(kept, news).position == news.last()
        for one in running:
            one.kill()
            one.communicate()
        assert read(kept, news).position == news.last()


def test_a_linker_that_finds_another_one_writing_lets_it(
    kept: Path, news: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    before = kept.read_bytes()
    classify(news, "i_late", outcome(0, 70))
    linker = caught_up(news, LinkerCheckpoint(kept.parent))
    with (
        kept.with_name(f"{NAME}.lock").open("ab") as other,
        caplog.at_level(logging.WARNING),
    ):
        fcntl.flock(other, fcntl.LOCK_EX)
        linker.save()
    assert kept.read_bytes() == before
    assert "another linker is writing one" in caplog.text


def test_a_folder_that_cannot_be_written_stops_no_linker(
    news: EventLog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "linker").write_text("a file is in the way")
    linker = caught_up(news)
    linker.checkpoint = LinkerCheckpoint(tmp_path / "linker")
    linker.save()
    assert "checkpoint not written" in caplog.text


def test_the_process_writes_one_when_it_is_asked_to_stop_and_begins_there(
    harness: Harness,
) -> None:
    classify(harness.log, "i_0", outcome(0, 0))
    path = harness.settings.data_dir / "linker" / NAME
    with process(harness, "services.classifier.linker") as running:
        eventually(lambda: harness.log.last() == 3, "the incident opens")
        running.terminate()
        running.wait(30)
    assert running.returncode == 0
    assert read(path, harness.log).position == 3
    classify(harness.log, "i_1", outcome(0, 1))
    with process(harness, "services.classifier.linker"):
        eventually(lambda: harness.log.last() == 5, "the next report joins")
    assert read(path, harness.log).position == 3
    linker = caught_up(harness.log, LinkerCheckpoint(path.parent))
    assert linker.state.where("i_1#m0") == linker.state.where("i_0#m0") is not None
