"""Servers that misbehave: each request ends as its reason says, within its deadline."""

from __future__ import annotations

import gzip
import os
import socket
import threading
import zlib
from collections.abc import Callable, Iterator

import brotli
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidentwire.net.client import HttpClient, OutboundError, RequestLimits, Response
from tests.incidentwire.net.conftest import Serve
from tests.incidentwire.net.hostile_server import (
    HostileServer,
    addresses,
    answer,
    drips,
    floods,
    read_request,
    says,
)

QUICK = RequestLimits(
    connect_s=0.5, read_s=5, total_s=0.8
)  # for servers that must run into the deadline
PATIENT = RequestLimits(
    connect_s=10, read_s=10, total_s=30, max_bytes=1_000_000
)  # for all others, on a busy machine


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def client_for(*servers: HostileServer, limits: RequestLimits = PATIENT) -> HttpClient:
    hosts = frozenset(f"127.0.0.1:{server.port}" for server in servers)
    return HttpClient(
        user_agent="incidentwire-test", allowed_hosts=hosts, limits=limits
    )


def failure(server: HostileServer, limits: RequestLimits = PATIENT) -> OutboundError:
    with (
        client_for(server, limits=limits) as client,
        pytest.raises(OutboundError) as caught,
    ):
        client.get(server.url)
    return caught.value


def got(server: HostileServer) -> Response:
    with client_for(server) as client:
        return client.get(server.url)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"a"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=[
        "status",
        "header",
        "body",
        "chunks",
        "close-delimited",
        "endless 100-continue",
    ],
)
def test_a_server_that_drips_bytes_ends_at_the_deadline(
    serve: Serve, stop: threading.Event, start: bytes, piece: bytes
) -> None:
    error = failure(serve(drips(start, piece, stop)), QUICK)
    assert (error.reason, error.retryable) == ("timeout", True)
    assert "0.8 s" in error.detail


def test_a_server_that_says_nothing_ends_as_a_timeout(
    serve: Serve, stop: threading.Event
) -> None:
    silent = serve(lambda _: stop.wait(30) and None)
    error = failure(silent, RequestLimits(read_s=0.3, total_s=30))
    assert error.reason == "timeout"
    assert "silent for 0.3 s" in error.detail


def test_redirects_share_one_deadline(serve: Serve, stop: threading.Event) -> None:
    def behave(connection: socket.socket) -> None:
        read_request(connection)
        stop.wait(0.3)
        connection.sendall(answer(status="302 Found", Location="/again"))

    assert failure(serve(behave), QUICK).reason == "timeout"


@pytest.mark.parametrize(
    ("start", "piece", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 65_536, "too_large"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1000\r\n" + b"a" * 4096 + b"\r\n",
            "too_large",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n", b"", "too_large"),
        (b"HTTP/1.1 200 OK\r\n", b"X-Endless: 1\r\n", "bad_response"),
        (b"HTTP/1.1 200 OK\r\nX-Endless: ", b"a" * 65_536, "bad_response"),
        (b"", b"a" * 65_536, "bad_response"),
    ],
    ids=["body", "chunks", "announced", "headers", "one header", "status line"],
)
def test_a_server_without_an_end_is_cut_off(
    serve: Serve, start: bytes, piece: bytes, reason: str
) -> None:
    assert (
        failure(serve(floods(start, piece) if piece else says(start))).reason == reason
    )


@pytest.mark.parametrize(
    "message",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"<html>no status line</html>",
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        b"\x16\x03\x01\x00\xff\x00\x00",
    ],
    ids=[
        "length",
        "chunk missing",
        "chunk cut",
        "chunk garbage",
        "two lengths",
        "nothing",
        "ssh",
        "http 0.9",
        "status",
        "tls",
    ],
)
def test_a_cut_or_garbled_answer_is_a_bad_response_and_worth_another_try(
    serve: Serve, message: bytes
) -> None:
    error = failure(serve(says(message)))
    assert (error.reason, error.retryable) == ("bad_response", True)


TEXT = (
    b"The insurer Nordhavn Mutual told 40,000 customers that their claims were readable by anyone. "
    * 50
)
PACKED = {
    "gzip": gzip.compress(TEXT),
    "deflate": zlib.compress(TEXT),
    "br": brotli.compress(TEXT),
    "zstd": zstandard.compress(TEXT),
}


@pytest.mark.parametrize("encoding", PACKED)
def test_a_packed_body_is_unpacked(serve: Serve, encoding: str) -> None:
    assert (
        got(serve(says(answer(PACKED[encoding], Content_Encoding=encoding)))).body
        == TEXT
    )


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("deflate", zlib.compress(TEXT, wbits=-15)),
        ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
        ("gzip", gzip.compress(TEXT) + b"\0\0\0 some padding"),
        ("zstd", zstandard.compress(TEXT[:100]) + zstandard.compress(TEXT[100:])),
        ("gzip, br", brotli.compress(gzip.compress(TEXT))),
        ("X-GZIP", gzip.compress(TEXT)),
        ("utf-8", TEXT),
        ("identity", TEXT),
    ],
    ids=[
        "raw deflate",
        "two members",
        "padding",
        "two frames",
        "two layers",
        "x-gzip",
        "charset",
        "identity",
    ],
)
def test_what_browsers_unpack_is_unpacked(
    serve: Serve, encoding: str, body: bytes
) -> None:
    assert got(serve(says(answer(body, Content_Encoding=encoding)))).body == TEXT


@pytest.mark.parametrize("encoding", PACKED)
def test_a_body_whose_packing_is_cut_or_wrong_is_a_bad_encoding(
    serve: Serve, encoding: str
) -> None:
    for body in (PACKED[encoding][:-9], b"\xff plainly not packed \xff" * 20):
        assert (
            failure(serve(says(answer(body, Content_Encoding=encoding)))).reason
            == "bad_encoding"
        )


@pytest.mark.parametrize("encoding", ["compress", "gzip, gzip, gzip", "rot13"])
def test_an_encoding_nobody_asked_for_is_a_bad_encoding(
    serve: Serve, encoding: str
) -> None:
    assert (
        failure(serve(says(answer(TEXT, Content_Encoding=encoding)))).reason
        == "bad_encoding"
    )


@pytest.mark.parametrize("encoding", [*PACKED, "gzip, gzip"])
def test_a_bomb_ends_early(serve: Serve, encoding: str) -> None:
    zeros = bytes(50_000_000)
    packers: dict[str, Callable[[bytes], bytes]] = {
        "gzip": lambda data: gzip.compress(data, 1),
        "deflate": lambda data: zlib.compress(data, 1),
        "br": lambda data: brotli.compress(data, quality=1),
        "zstd": zstandard.compress,
        "gzip, gzip": lambda data: gzip.compress(gzip.compress(data, 1)),
    }
    error = failure(
        serve(says(answer(packers[encoding](zeros), Content_Encoding=encoding)))
    )
    assert (error.reason, error.retryable) == ("too_large", False)


@pytest.mark.parametrize(
    ("start", "headers"),
    [
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" * 3, b""),
        (b"HTTP/1.1 102 Processing\r\n\r\n", b""),
        (b"", b"a line without a colon\r\n"),
        (b"", b"X-Name : a blank before the colon\r\n"),
        (b"", b"X-Folded: one\r\n two\r\n"),
    ],
    ids=["early hints", "processing", "no header", "blank", "folded"],
)
def test_odd_lines_of_a_head_lose_neither_headers_nor_body(
    serve: Serve, start: bytes, headers: bytes
) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + headers
    rest = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    body = PACKED["gzip"]
    response = got(serve(says(start + head + rest % len(body) + body)))
    assert (response.status, response.body) == (200, TEXT)
    assert response.head.startswith(head)


def test_lines_that_are_no_headers_do_not_go_on_without_end(serve: Serve) -> None:
    assert failure(serve(floods(b"HTTP/1.1 200 OK\r\n", b"no header\r\n"))).reason in (
        "bad_response",
        "too_large",
    )


def test_a_redirect_to_several_addresses_is_followed_to_none(serve: Serve) -> None:
    head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n%s\r\n"
    two = serve(says(head % b"Location: /a\r\nLocation: /b\r\n"))
    assert failure(two).reason == "bad_response"
    assert two.connections == 1


def test_a_transfer_coding_that_is_not_undone_is_a_bad_encoding(serve: Serve) -> None:
    head = answer(PACKED["gzip"], Transfer_Encoding="gzip, chunked")
    assert failure(serve(says(head))).reason == "bad_encoding"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_has_an_empty_one_whatever_its_encoding(
    serve: Serve, status: str
) -> None:
    head = f"HTTP/1.1 {status}\r\nContent-Encoding: gzip\r\nETag: x\r\n\r\n".encode()
    assert got(serve(says(head))).body == b""


def test_a_redirect_loop_ends_after_ten(serve: Serve) -> None:
    server = serve(
        says(
            answer(status="301 Moved", Location="/round-and-round", Connection="close")
        )
    )
    assert failure(server).reason == "too_many_redirects"
    assert server.connections == 11


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://10.0.0.1/", "refused_address"),
        ("http://169.254.169.254/latest/meta-data/", "refused_address"),
        ("//[::1]/", "refused_address"),
        ("http://localhost/", "refused_address"),
        ("http://2130706433/", "refused_address"),
        ("file:///etc/passwd", "refused_url"),
        ("ftp://news.example/", "refused_url"),
        ("gopher://127.0.0.1:6379/_INFO", "refused_url"),
        ("javascript:alert(1)", "refused_url"),
        ("data:text/html,hello", "refused_url"),
        ("http://user:secret@news.example/", "refused_url"),
        ("http://news.example:22/", "refused_url"),
        ("http://[", "refused_url"),
        ("http://x/" + "a" * 9_000, "refused_url"),
    ],
)
def test_a_redirect_is_checked_like_the_first_url(
    serve: Serve, location: str, reason: str
) -> None:
    error = failure(serve(says(answer(status="302 Found", Location=location))))
    assert (error.reason, error.retryable) == (reason, False)


def test_a_redirect_to_another_port_of_loopback_reaches_nobody(serve: Serve) -> None:
    secret = serve(says(answer(b"the inner service")))
    assert (
        failure(serve(says(answer(status="302 Found", Location=secret.url)))).reason
        == "refused_address"
    )
    assert secret.connections == 0


def test_a_closed_port_is_a_failed_connection(serve: Serve) -> None:
    server = serve(says(b""))
    server.close()
    error = failure(server)
    assert (error.reason, error.retryable) == ("connect_failed", True)


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), None),
        (UnicodeError("label too long"), None),
        (None, ()),
    ],
)
def test_a_name_without_an_address_is_a_dns_failure(
    error: Exception | None, names: tuple[str, ...] | None
) -> None:
    def resolve(*args: object, **kwargs: object) -> list[tuple[object, ...]]:
        if error is not None:
            raise error
        return list(names or ())  # type: ignore[arg-type]

    with (
        HttpClient(user_agent="t", resolve=resolve) as client,
        pytest.raises(OutboundError) as caught,
    ):
        client.get("https://news.example/")
    assert (caught.value.reason, caught.value.retryable) == ("dns_failed", True)


def test_a_name_server_that_stalls_is_a_dns_failure(stop: threading.Event) -> None:
    def resolve(*args: object, **kwargs: object) -> list[tuple[object, ...]]:
        stop.wait(30)
        return []

    with (
        HttpClient(user_agent="t", resolve=resolve, limits=QUICK) as client,
        pytest.raises(OutboundError) as caught,
    ):
        client.get("https://news.example/")
    assert caught.value.reason == "dns_failed"


def tls_failure(
    server: HostileServer,
    host: str = "news.test",
    *,
    trusted: bool = True,
    limits: RequestLimits = PATIENT,
) -> OutboundError:
    with (
        HttpClient(
            user_agent="t",
            allowed_hosts=frozenset({host}),
            limits=limits,
            resolve=addresses("127.0.0.1"),
            ca_file=os.path.join(os.path.dirname(__file__), "tls", "ca.pem")
            if trusted
            else None,
        ) as client,
        pytest.raises(OutboundError) as caught,
    ):
        client.get(f"https://{host}:{server.port}/")
    return caught.value


@pytest.mark.parametrize(
    ("certificate", "host", "trusted"),
    [
        ("self_signed.pem", "news.test", True),
        ("server.pem", "news.test", False),
        ("server.pem", "other.test", True),
        ("server.pem", "127.0.0.1", True),
    ],
    ids=["self-signed", "unknown authority", "another host's", "no address in it"],
)
def test_a_bad_certificate_is_refused_for_good(
    serve: Serve, certificate: str, host: str, trusted: bool
) -> None:
    error = tls_failure(
        serve(says(answer(b"hello")), certificate), host, trusted=trusted
    )
    assert (error.reason, error.retryable) == ("tls_failed", False)
    assert "certificate" in error.detail


@pytest.mark.parametrize(
    "message", [b"", b"\x16\x03\x03\x00\x7a\x02\x00", b"HTTP/1.1 200 OK\r\n\r\nplain"]
)
def test_a_handshake_that_breaks_is_a_tls_failure_worth_another_try(
    serve: Serve, message: bytes
) -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(message)

    error = tls_failure(serve(behave))
    assert (error.reason, error.retryable) == ("tls_failed", True)


def test_a_handshake_that_drips_ends_at_the_deadline(
    serve: Serve, stop: threading.Event
) -> None:
    def behave(connection: socket.socket) -> None:
        connection.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16 KiB begins
        while not stop.wait(0.02):
            connection.sendall(b"\x02")

    assert tls_failure(serve(behave), limits=QUICK).reason == "timeout"


def test_a_body_cut_within_tls_is_a_bad_response(serve: Serve) -> None:
    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello")
        connection.shutdown(socket.SHUT_RDWR)

    assert tls_failure(serve(behave, "server.pem")).reason == "bad_response"


def outcome(server: HostileServer) -> str:
    try:
        return f"status {got(server).status}"
    except OutboundError as error:
        return error.reason


@given(noise=st.binary(max_size=300), status_line=st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_noise_raises_anything_but_an_outbound_error(
    serve: Serve, noise: bytes, status_line: bool
) -> None:
    server = serve(says((b"HTTP/1.1 200 OK\r\n" if status_line else b"") + noise))
    assert outcome(server) in {
        "status 200",
        "bad_response",
        "bad_encoding",
        "too_large",
        "timeout",
    }
    server.close()
