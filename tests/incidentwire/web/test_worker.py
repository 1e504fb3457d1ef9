"""What is left of a refused body is dropped without holding up anybody."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import gevent
import pytest
from gevent import socket as gevent_socket
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.unreader import SocketUnreader

from incidentwire.web import worker

SIZE = 8_000_000


class CountedReader(LengthReader):
    """gunicorn's reader, which counts how often it is asked."""

    reads = 0

    def read(self, size: int) -> bytes:
        self.reads += 1
        data: bytes = super().read(size)
        return data


@pytest.fixture
def pair() -> Iterator[tuple[gevent_socket.socket, gevent_socket.socket]]:
    """Yield the two ends of a connection."""
    ours, theirs = gevent_socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        yield ours, theirs


def test_the_rest_of_a_body_is_read_in_large_pieces_and_others_run_meanwhile(pair):
    ours, theirs = pair
    sender = gevent.spawn(theirs.sendall, b"x" * SIZE)
    turns = []

    def other() -> None:
        while True:
            turns.append(1)
            gevent.sleep(0.0001)

    beside = gevent.spawn(other)
    reader = CountedReader(SocketUnreader(ours), SIZE)
    assert worker._discard(Body(reader))
    sender.join()
    beside.kill()
    assert reader.length == 0
    assert reader.reads < SIZE / 10_000  # each copies what has arrived
    assert len(turns) > 10


def test_a_body_that_does_not_come_is_given_up(pair, monkeypatch):
    monkeypatch.setattr(worker, "DISCARD_WAIT_S", 0.05)
    ours, _ = pair
    assert not worker._discard(Body(LengthReader(SocketUnreader(ours), SIZE)))
