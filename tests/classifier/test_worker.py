"""The worker as a process: killed at any moment it loses nothing, whatever a job names it
runs only our function, and one hostile item costs its neighbours nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from incidentwire import queue
from incidentwire.items import State
from incidentwire.sandbox import Sandbox, SandboxLimits
from services.classifier import worker
from services.classifier.analysis import Analyzer
from services.classifier.jobs import MAX_STARTS, WorkerContext, work
from services.classifier.keeping.sweep import Sweep
from tests.eventually import eventually
from tests.harness import PLAIN, Harness, Site, classifier, page, process
from tests.store import Store

FETCHER = "services.classifier.fetcher"
WORKER = "services.classifier.worker"
KEEPER = "services.classifier.keeper"


def burst(harness: Harness) -> None:
    """Let a worker do everything that is queued."""
    worker.make_worker(harness.context).work(burst=True, logging_level="ERROR")


def test_a_worker_takes_what_is_queued_and_ends_on_sigterm(harness: Harness) -> None:
    ids = [harness.submit(text=f"{PLAIN} {n}", title="Benches") for n in range(3)]
    with process(harness, "services.classifier.worker") as running:
        eventually(lambda: all(harness.item(i).ended for i in ids), "all classified")
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=60) == 0
    assert [harness.item(i).state for i in ids] == [State.CLASSIFIED] * 3


@pytest.mark.parametrize("killed", [FETCHER, WORKER])
def test_kill_9_in_mid_work_loses_nothing(
    own_store: Store, tmp_path: Path, web_site: Site, killed: str
) -> None:
    harness = Harness(own_store.connect(), own_store.url, tmp_path, fetch_timeout_s=3.0)
    body = b"".join(
        b'{"url":"%s"}\n'
        % web_site.put(f"/{n}", page(f"Benches {n}", f"{PLAIN} {n}")).encode()
        for n in range(40)
    )
    answer = harness.post(body, **{"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200
    assert answer.get_data().count(b"\n") == 40
    ids = list(harness.in_flight())
    assert len(ids) == 40
    other = WORKER if killed == FETCHER else FETCHER
    with process(harness, other):
        with process(harness, killed):
            eventually(lambda: len(harness.in_flight()) < 38, "work is under way")
        assert harness.in_flight(), "it was killed too late to show anything"
        # the keeper would come in 30 s of real time: make the time come now
        due_now = dict.fromkeys(harness.in_flight(), 1.0)
        harness.connection.zadd("iw:in_flight", due_now, xx=True)  # some end meanwhile
        with process(harness, KEEPER), process(harness, killed):
            eventually(lambda: not harness.in_flight(), "everything came to its end")
    assert {harness.item(i).state for i in ids} == {State.CLASSIFIED}
    ends = [e.subject for e in harness.log.read() if e.type == "item.classified"]
    assert sorted(ends) == sorted(ids)  # each once
    assert harness.log.is_gapless()
    Sweep(harness.connection).run(0.0)  # a kill between the end and the cleaning
    assert left_over(harness) == []


def left_over(harness: Harness) -> list[str]:
    """Return the keys of jobs, results and pages under way that are in the store."""
    patterns = ("rq:job:*", "rq:results:*", "rq:failed:*", "rq:wip:*")
    keys = [key for p in patterns for key in harness.connection.scan_iter(p)]
    hashes = (queue.FETCHED, "iw:fetch_refreshed", "iw:started")
    return [key.decode() for key in keys] + [
        name for name in hashes if harness.connection.hlen(name)
    ]


def test_kill_9_of_the_store_in_mid_work_loses_nothing(
    own_store: Store, tmp_path: Path
) -> None:
    harness = Harness(own_store.connect(), own_store.url, tmp_path)
    ids = [harness.submit(text=f"{PLAIN} {n}", title="Benches") for n in range(30)]
    with process(harness, "services.classifier.worker"):
        eventually(lambda: len(harness.in_flight()) < 25, "the worker is in mid-work")
        own_store.kill()
    own_store.start()
    harness.connection.zadd("iw:in_flight", dict.fromkeys(harness.in_flight(), 1.0))
    with (
        process(harness, "services.classifier.keeper"),
        process(harness, "services.classifier.worker"),
    ):
        eventually(lambda: not harness.in_flight(), "everything came to its end")
    assert {harness.item(i).state for i in ids} == {State.CLASSIFIED}
    assert harness.log.is_gapless()


def test_an_item_that_kills_its_workers_comes_to_an_end_too(harness: Harness) -> None:
    ids = [harness.submit(text=f"{PLAIN} {n}", title="Benches") for n in range(3)]
    poison = ids[1]
    for _ in range(MAX_STARTS):  # as many workers started on it and died
        harness.context.recorder.count_start(poison)
    burst(harness)
    assert [harness.item(i).state for i in ids if i != poison] == [State.CLASSIFIED] * 2
    item = harness.item(poison)
    assert (item.state, item.reason, item.attempt) == (State.WAITING, "crashed", 1)
    assert left_over(harness) == []


@pytest.mark.parametrize(
    ("function", "arguments", "options"),
    [
        ("pathlib.Path.touch", ("{file}",), {}),
        ("subprocess.getoutput", ("touch {file}",), {}),
        (queue.WORK_ON_ITEMS, ("{file}",), {}),
        (queue.WORK_ON_ITEMS, (["../{file}"],), {}),
        (queue.WORK_ON_ITEMS, ([7],), {}),
        (queue.WORK_ON_ITEMS, ([], []), {}),
        ("no.such.module", (), {"on_failure": "subprocess.getoutput"}),
    ],
)
def test_a_job_that_is_not_ours_is_dropped_and_nothing_runs(
    harness: Harness,
    tmp_path: Path,
    function: str,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
) -> None:
    file = tmp_path / "touched"
    work_queue = queue.open_queue(queue.CLASSIFY_FIRST, harness.connection)
    filled = [a.format(file=file) if isinstance(a, str) else a for a in arguments]
    job = work_queue.create_job(function, args=tuple(filled))
    for name, value in options.items():
        setattr(job, f"_{name.removeprefix('on_')}_callback_name", value)
    work_queue.enqueue_job(job)
    ours = harness.submit(text=PLAIN, title="Benches")
    burst(harness)
    assert not file.exists()
    assert harness.item(ours).state is State.CLASSIFIED
    assert left_over(harness) == []


def test_at_most_half_of_the_waiting_jobs_is_taken_along(harness: Harness) -> None:
    ids = [harness.submit(text=f"{PLAIN} {n}", title="Benches") for n in range(9)]
    first, _ = queue.open_item_queues(harness.connection)
    assert worker.prefetch(first) == ids[:4]
    assert worker.prefetch(first, most=1) == ids[4:5]
    assert harness.queued() == [[i] for i in ids[5:]]
    for _ in range(5):
        worker.prefetch(first)
    assert harness.queued() == [[ids[8]]]


def test_a_job_of_a_bulk_submission_takes_no_other_along(harness: Harness) -> None:
    ids = [harness.submit(text=f"{PLAIN} {n}", title="Benches") for n in range(6)]
    harness.connection.delete(*harness.connection.keys("rq:*"))
    bulk = queue.open_queue(queue.CLASSIFY, harness.connection)
    with harness.connection.pipeline() as pipe:
        pipe.multi()
        queue.jobs_for(bulk, queue.WORK_ON_ITEMS, [ids[:2], ids[2:4], ids[4:]])(pipe)
        pipe.execute()
    one_job = worker.make_worker(harness.context)
    one_job.work(burst=True, max_jobs=1, logging_level="ERROR")
    ended = [harness.item(i).ended for i in ids]
    assert ended == [True, True, False, False, False, False]


# Hostile items, which the sandbox takes.


def hostile(harness: Harness, limits: SandboxLimits) -> WorkerContext:
    """Return a context whose sandbox spins, with the interpreter's lock, on some texts.

    It leaves a file when it begins to spin.
    """
    analyzer = Analyzer(classifier(), limits)
    honest = analyzer.sandbox.functions["classify"]

    def classify(question: bytes) -> bytes:
        if b"POISON" in question:
            spinning(harness).touch()
        while b"POISON" in question:
            pass
        return honest(question)

    analyzer.sandbox = Sandbox({"classify": classify}, limits)
    return WorkerContext.of(
        harness.settings, harness.connection, classifier(), analyzer
    )


def spinning(harness: Harness) -> Path:
    return harness.settings.data_dir / "spinning"


def test_an_item_that_takes_too_long_ends_and_its_neighbours_go_on(
    harness: Harness,
) -> None:
    context = hostile(harness, SandboxLimits(cpu_s=3, wall_s=60.0))
    texts = ("one", "POISON", "two")
    ids = [harness.submit(text=f"{PLAIN} {text}", title="Benches") for text in texts]
    work(context, ids)
    states = [(harness.item(i).state, harness.item(i).reason) for i in ids]
    good = (State.CLASSIFIED, None)
    assert states == [good, (State.REJECTED, "too_complex"), good]
    assert harness.receipt(ids[1])["retryable"] is False
    assert harness.in_flight() == {}


def test_a_worker_that_is_asked_to_stop_gives_back_what_it_has(
    harness: Harness,
) -> None:
    context = hostile(harness, SandboxLimits(cpu_s=60, wall_s=60.0))
    texts = ("one", "POISON", "two")
    ids = [harness.submit(text=f"{PLAIN} {text}", title="Benches") for text in texts]
    harness.connection.delete(*harness.connection.keys("rq:*"))
    work(context, ids, spinning(harness).exists)
    assert harness.item(ids[0]).state is State.CLASSIFIED
    assert sorted(i for job in harness.queued() for i in job) == sorted(ids[1:])
    assert context.analyzer.sandbox.pid is None


def test_a_killed_sandbox_is_not_blamed_on_its_item(harness: Harness) -> None:
    context = hostile(harness, SandboxLimits())
    ids = [harness.submit(text=f"{PLAIN} {n}", title="Benches") for n in range(2)]
    work(context, ids[:1])
    pid = context.analyzer.sandbox.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    work(context, ids[1:])
    assert harness.item(ids[1]).state is State.CLASSIFIED
