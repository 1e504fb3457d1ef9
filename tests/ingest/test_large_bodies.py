"""Large bodies wait for each other, and small requests never wait for them."""

from __future__ import annotations

import io
from itertools import pairwise
from time import thread_time

import gevent
from gevent.event import Event

from services.ingest import bulk, large_bodies
from services.ingest.large_bodies import LARGE_BYTES, TimeSlices

LARGE = LARGE_BYTES + 1


def test_large_bodies_are_worked_on_one_at_a_time_and_small_ones_at_once():
    shared = TimeSlices()
    seen = []
    release = Event()

    def work(name: str, size: int) -> None:
        with shared.take(size):
            seen.append(name)
            if size == LARGE:
                release.wait()

    workers = [
        gevent.spawn(work, name, size)
        for name, size in (("first", LARGE), ("second", LARGE), ("small", 100))
    ]
    gevent.idle()
    assert seen == ["first", "small"]
    release.set()
    gevent.joinall(workers, raise_error=True)
    assert seen == ["first", "small", "second"]


def test_between_two_pieces_of_work_others_go_on(monkeypatch):
    monkeypatch.setattr(large_bodies, "PIECE_S", 0.0)
    other = gevent.spawn(str)
    with TimeSlices().take(LARGE) as time_slice:
        time_slice.pause()
    assert other.dead


def test_after_a_long_piece_the_loop_rests_so_that_large_texts_take_little_of_it(
    monkeypatch,
):
    rests: list[float] = []
    monkeypatch.setattr(large_bodies.gevent, "sleep", rests.append)
    time_slice = large_bodies.TimeSlice()
    time_slice._since -= 1.0  # a second of work
    time_slice.pause()
    assert rests == [large_bodies.MAX_REST_S]
    time_slice._since -= 0.1
    time_slice.pause()
    assert 0.1 * large_bodies.REST <= rests[1] < large_bodies.MAX_REST_S


class Busy(io.RawIOBase):
    """A body whose every piece takes CPU time to read, as chunked or gzip ones do.

    `slices_at` has the number of slices that others had had at each read.
    """

    def __init__(self, pieces: int, slices: list[int]) -> None:
        self.left = pieces
        self.slices = slices
        self.slices_at: list[int] = []

    def read(self, size: int = -1) -> bytes:
        self.slices_at.append(len(self.slices))
        if not self.left:
            return b""
        self.left -= 1
        until = thread_time() + 2 * large_bodies.PIECE_S
        while thread_time() < until:
            pass
        return bytes(size)


def test_while_a_large_body_is_received_others_have_most_of_the_loop() -> None:
    slices: list[int] = []

    def others() -> None:
        while True:
            slices.append(1)
            gevent.sleep(0.0001)

    beside = gevent.spawn(others)
    small = LARGE_BYTES // bulk.COPY_BYTES  # pieces until the body counts as large
    body = Busy(small + 10, slices)
    bulk.spool(body, large_bodies.TimeSlice()).file.close()
    beside.kill()
    had = [after - before for before, after in pairwise(body.slices_at)]
    assert all(had)  # no two pieces are read at a stretch
    resting = had[small + 1 :]  # from here on the loop rests as well
    assert sum(resting) > 3 * len(resting)
