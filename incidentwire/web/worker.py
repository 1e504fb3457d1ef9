"""The gunicorn worker of both services: requests it cannot parse get problem details.

gunicorn answers such requests itself, before Flask sees them, and in HTML.
"""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from http import HTTPStatus
from time import monotonic, thread_time
from typing import Any

import gevent
from gunicorn.http import errors as parse
from gunicorn.workers.ggevent import GeventWorker

from incidentwire.web.problems import MEDIA_TYPE, Problem

DRAIN_S = 1.0  # for reading the rest of a request that was refused
DRAIN_READS = 16
# A refused body is read to its end, so that the client gets to read the answer.
DISCARD_S = 30.0  # then the connection is closed
DISCARD_BYTES = 65_536  # between two looks at other requests
DISCARD_PIECE_S = 0.001  # CPU time between two rests
DISCARD_REST = 3  # times as long as the work: others have most of the time
DISCARD_WAIT_S = 2.0  # for so many

BAD_REQUEST = Problem(
    status=400,
    slug="malformed-request",
    detail="The request is not well-formed HTTP/1.1.",
)
URI_TOO_LONG = Problem(
    status=414,
    slug="uri-too-long",
    detail="The request line is too long. Shorten the query.",
)
HEADERS_TOO_LARGE = Problem(
    status=431,
    slug="headers-too-large",
    detail="The header fields are too many or too long. Send fewer and shorter ones.",
)
NOT_IMPLEMENTED = Problem(
    status=501,
    slug="transfer-coding-unknown",
    detail="The Transfer-Encoding is not supported. Use chunked.",
)
# The first match counts.
PROBLEMS: tuple[tuple[type[Exception], Problem], ...] = (
    (parse.LimitRequestLine, URI_TOO_LONG),
    (parse.LimitRequestHeaders, HEADERS_TOO_LARGE),
    (parse.UnsupportedTransferCoding, NOT_IMPLEMENTED),
    (parse.ParseException, BAD_REQUEST),
)
# Faults of ours, which gunicorn logs and answers with 500.
OWN_ERRORS = (
    parse.ConfigurationProblem,
    parse.InvalidResponseHeader,
    parse.InvalidResponseHeaderName,
)


class Worker(GeventWorker):
    """gunicorn's gevent worker with other answers to unparsable requests."""

    def handle_request(
        self, listener_name: Any, req: Any, sock: Any, addr: Any
    ) -> None:
        """Answer, and drop what the view has left of the body.

        gunicorn would do so in pieces of 1 KiB, each with a copy of all that has
        arrived: 60 MB would hold the loop for many seconds. Raises StopIteration if
        the connection is to be closed.
        """
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            is_read = _discard(req.body)
        if not is_read:
            raise StopIteration

    def handle_error(
        self, req: Any, client: Any, addr: Any, exc: BaseException
    ) -> None:
        """Answer with problem details, without repeating the client's bytes."""
        problem = next((p for kind, p in PROBLEMS if isinstance(exc, kind)), None)
        if problem is None or isinstance(exc, OWN_ERRORS):
            super().handle_error(req, client, addr, exc)
            return
        with suppress(OSError, gevent.Timeout), gevent.Timeout(DRAIN_S):
            client.sendall(_response(problem))
            _drain(client)


def _discard(body: Any) -> bool:
    """Read a body to its end, and return whether that could be done."""
    until = monotonic() + DISCARD_S
    since = thread_time()
    with suppress(OSError, parse.ParseException, gevent.Timeout):
        while monotonic() < until:
            with gevent.Timeout(DISCARD_WAIT_S):
                if not body.read(DISCARD_BYTES):
                    return True
            gevent.idle()
            worked = thread_time() - since
            if worked > DISCARD_PIECE_S:
                gevent.sleep(worked * DISCARD_REST)
                since = thread_time()
    return False


def _drain(client: Any) -> None:
    """Read what the client still sends; closing earlier would reset the connection."""
    client.shutdown(socket.SHUT_WR)
    for _ in range(DRAIN_READS):
        if not client.recv(65_536):
            return


def _response(problem: Problem) -> bytes:
    body = json.dumps(problem.body()).encode()
    phrase = HTTPStatus(problem.status).phrase
    head = (
        f"HTTP/1.1 {problem.status} {phrase}\r\n"
        f"Content-Type: {MEDIA_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
