"""The HTTP client if all goes well: what is dialled, what is sent, what comes back."""

from __future__ import annotations

import datetime
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from incidentwire.net.client import (
    HttpClient,
    OutboundError,
    RequestLimits,
    retry_after_s,
)
from tests.incidentwire.net.conftest import Serve
from tests.incidentwire.net.hostile_server import (
    TLS,
    Behaviour,
    addresses,
    answer,
    read_request,
    says,
)

LIMITS = RequestLimits(connect_s=5, read_s=5, total_s=20)


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Put a recorder where connect() is: nothing leaves, and every address that was to be dialled is in the list."""
    seen: list[Any] = []

    def connect(sock: socket.socket, address: Any) -> None:
        seen.append(address)
        raise ConnectionRefusedError("the recorder lets nothing out")

    monkeypatch.setattr(socket.socket, "connect", connect)
    return seen


def client(*hosts: str, **more: Any) -> HttpClient:
    return HttpClient(
        user_agent="incidentwire-test (+https://wire.example)",
        allowed_hosts=frozenset(hosts),
        **more,
    )


def keeps_alive(*answers: bytes) -> Behaviour:
    """Give these answers one after the other on one connection, then the last one again and again."""

    def behave(connection: socket.socket) -> None:
        place = 0
        while read_request(connection):
            connection.sendall(answers[min(place, len(answers) - 1)])
            place += 1

    return behave


def echo(connection: socket.socket) -> None:
    """Answer every request with its own bytes."""
    while request := read_request(connection):
        connection.sendall(answer(request))


def reason(client: HttpClient, url: str) -> str:
    with client, pytest.raises(OutboundError) as caught:
        client.get(url)
    return caught.value.reason


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "127.0.0.1.",
        "１２７.0.0.1",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "%31%32%37.0.0.1",
        "0",
        "0.0.0.0",
        "10.1.2.3",
        "172.31.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.100.100.200",
        "100.64.0.1",
        "168.63.129.16",
        "192.0.0.192",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:4136:e378::]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::8.8.8.8]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[fec0::1]",
        "[ff02::1]",
        "[2001:db8::1]",
        "[3fff::1]",
        "[4000::1]",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "printer.local",
        "intranet",
        "redis",
        "metadata.google.internal",
        "metadata.tencentyun.com",
    ],
)
def test_no_notation_of_a_private_place_is_dialled_or_looked_up(
    host: str, dialled: list[Any]
) -> None:
    def resolve(*args: object, **kwargs: object) -> list[tuple[Any, ...]]:
        pytest.fail("looked up")

    strict = client(resolve=resolve)
    for scheme in ("http", "https"):
        url = f"{scheme}://{host}/page"
        for ask in (strict.check, strict.get, lambda there: strict.post(there, b"{}")):
            with pytest.raises(OutboundError) as caught:
                ask(url)
            assert (caught.value.reason, caught.value.retryable) == (
                "refused_address",
                False,
            )
    assert dialled == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://news.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "news.example/page",
        "",
        "http://",
        "http://user@news.example/",
        "http://news.example:22/",
        "https://news.example:6379/",
        "http://news.example:0/",
        "http://[::1%25eth0]/",
        "http://[::1%eth0]/",
        "http://news.example\\@127.0.0.1/",
        "http://news.example /",
        "http://news.example/\x00",
        "http://news.example/\ud800",
        "http://1.2.3.4.5/",
        "http://08.8.8.8/",
        "https://news.example/" + "a" * 9_000,
    ],
)
def test_what_is_no_plain_web_address_is_refused_before_anything_is_looked_up(
    url: str,
) -> None:
    with client() as strict, pytest.raises(OutboundError) as caught:
        strict.check(url)
    assert (caught.value.reason, caught.value.retryable) == ("refused_url", False)


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["93.184.215.14", "10.0.0.7"],
        ["2606:2800:21f:cb07::1", "::1"],
        ["fe80::1%eth0"],
        ["nonsense"],
    ],
)
def test_a_name_with_any_private_address_is_not_dialled_at_all(
    answers: list[str], dialled: list[Any]
) -> None:
    assert (
        reason(client(resolve=addresses(*answers)), "https://news.example/")
        == "refused_address"
    )
    assert dialled == []


def test_the_address_that_was_checked_is_the_one_that_is_dialled(
    dialled: list[Any],
) -> None:
    """DNS rebinding: the second answer would be loopback, and nobody asks for it."""
    answers = iter(["93.184.215.14", "127.0.0.1", "127.0.0.1"])

    def resolve(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        return addresses(next(answers))(host, port)

    assert reason(client(resolve=resolve), "http://news.example/") == "connect_failed"
    assert dialled == [("93.184.215.14", 80)]
    assert next(answers) == "127.0.0.1"


def test_a_name_with_ipv6_only_is_dialled_by_ipv6(dialled: list[Any]) -> None:
    assert (
        reason(
            client(resolve=addresses("2606:2800:21f:cb07::1")),
            "https://news.example:8443/",
        )
        == "connect_failed"
    )
    assert dialled == [("2606:2800:21f:cb07::1", 8443)]


def test_each_address_of_a_name_is_tried(dialled: list[Any]) -> None:
    ips = ["93.184.215.14", "2606:2800:21f:cb07::1", "93.184.215.15"]
    assert (
        reason(client(resolve=addresses(*ips, *ips)), "http://news.example/")
        == "connect_failed"
    )
    assert [address[0] for address in dialled] == ips


def test_an_allowed_host_is_allowed_by_its_own_name_and_port_only(serve: Serve) -> None:
    server = serve(keeps_alive(answer(b"hello")))
    host = f"127.0.0.1:{server.port}"
    url = server.url
    for allowed in (host, "127.0.0.1"):
        assert client(allowed).get(url).body == b"hello"
    assert (
        client("news.test", resolve=addresses("127.0.0.1"))
        .get(f"http://news.test:{server.port}/")
        .body
        == b"hello"
    )
    assert reason(client("news.test"), url) == "refused_address"
    assert reason(client("127.0.0.1:1"), url) == "refused_address"
    assert (
        reason(client(host, resolve=addresses("127.0.0.1")), "http://other.example/")
        == "refused_address"
    )


def test_the_answer_says_where_it_came_from_and_by_which_way(serve: Serve) -> None:
    moved = answer(status="301 Moved", Location="/caf\u00e9 au lait?q=1#part")
    server = serve(_by_path({"/old": moved}, answer(b"page", X_Seen="yes")))
    got = client("127.0.0.1").get(server.url + "old")
    assert got.url == server.url + "caf%C3%A9%20au%20lait?q=1"
    assert got.redirects == (server.url + "old",)
    assert (got.status, got.body, got.headers["x-SEEN"]) == (200, b"page", "yes")


@pytest.mark.parametrize(
    ("statuses", "moved"),
    [
        ((301, 308), True),
        ((301,), True),
        ((301, 302), False),
        ((307, 308), False),
        ((), False),
    ],
)
def test_the_answer_says_whether_the_way_is_a_permanent_one(
    serve: Serve, statuses: tuple[int, ...], moved: bool
) -> None:
    hops = {
        f"/{n}": answer(status=f"{s} Moved", Location=f"/{n + 1}")
        for n, s in enumerate(statuses)
    }
    server = serve(_by_path(hops, answer(b"page")))
    got = client("127.0.0.1").get(server.url + "0")
    assert (got.body, got.moved, len(got.redirects)) == (b"page", moved, len(statuses))


def _by_path(answers: dict[str, bytes], otherwise: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        while request := read_request(connection):
            connection.sendall(answers.get(request.split()[1].decode(), otherwise))

    return behave


@pytest.mark.parametrize(
    "status", ["404 Not Found", "429 Too Many Requests", "500 Oops", "304 Not Modified"]
)
def test_a_status_is_an_answer_and_no_error(serve: Serve, status: str) -> None:
    server = serve(says(answer(status=status, Retry_After="7")))
    got = client("127.0.0.1").get(server.url, {"If-None-Match": '"v1"'})
    assert (got.status, got.headers["retry-after"]) == (int(status[:3]), "7")


def test_a_request_names_the_project_and_what_we_can_unpack(serve: Serve) -> None:
    server = serve(echo)
    sent = (
        client("127.0.0.1")
        .get(server.url, {"If-None-Match": '"v1"', "user-agent": "Mozilla"})
        .body.decode()
    )
    assert "User-Agent: incidentwire-test (+https://wire.example)\r\n" in sent
    assert "Accept-Encoding: gzip, deflate, br, zstd\r\n" in sent
    assert 'If-None-Match: "v1"\r\n' in sent
    assert "Mozilla" not in sent


def test_a_key_does_not_follow_a_redirect_to_another_host(serve: Serve) -> None:
    there = serve(echo)
    here = serve(
        _by_path({"/away": answer(status="302 Found", Location=there.url)}, b"")
    )
    near = serve(_near)
    secret = {
        "Authorization": "Bearer s3cret",
        "X-Api-Key": "s3cret",
        "Cookie": "s=s3cret",
        "If-None-Match": '"v1"',
    }
    away = client("127.0.0.1").get(here.url + "away", secret).body
    assert b"s3cret" not in away
    assert b'"v1"' in away
    assert b"Bearer s3cret" in client("127.0.0.1").get(near.url + "go", secret).body


def _near(connection: socket.socket) -> None:
    while request := read_request(connection):
        going = request.startswith(b"GET /go ")
        connection.sendall(
            answer(status="302 Found", Location="/stay") if going else answer(request)
        )


def test_a_cookie_comes_back_within_a_chain_and_not_later(serve: Serve) -> None:
    def behave(connection: socket.socket) -> None:
        while request := read_request(connection):
            known = b"Cookie: seen=1" in request
            connection.sendall(
                answer(b"page")
                if known
                else answer(
                    status="302 Found", Location="/", Set_Cookie="seen=1; Path=/"
                )
            )

    visitor = client("127.0.0.1")
    server = serve(behave)
    for _ in range(2):
        got = visitor.get(server.url)
        assert (got.body, len(got.redirects)) == (b"page", 1)


def test_a_post_sends_its_body_and_follows_no_redirect(serve: Serve) -> None:
    requests: list[bytes] = []

    def behave(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        connection.sendall(answer(status="307 Temporary", Location="/elsewhere"))

    server = serve(behave)
    got = client("127.0.0.1").post(
        server.url + "hook", b'{"a":1}', {"Content-Type": "application/json"}
    )
    assert (got.status, got.url) == (307, server.url + "hook")
    assert len(requests) == 1
    assert requests[0].startswith(b"POST /hook HTTP/1.1\r\n")
    assert requests[0].endswith(b'{"a":1}')


def test_a_post_of_megabytes_arrives_whole(serve: Serve) -> None:
    body = bytes(range(256)) * 8_000

    def behave(connection: socket.socket) -> None:
        connection.sendall(
            answer(str(read_request(connection).endswith(body)).encode())
        )

    assert (
        client("127.0.0.1", limits=LIMITS).post(serve(behave).url, body).body == b"True"
    )


def test_connections_are_used_again(serve: Serve) -> None:
    server = serve(
        keeps_alive(
            answer(b"one"), answer(b"two", status="404 Not Found"), answer(b"three")
        )
    )
    visitor = client("127.0.0.1")
    assert [visitor.get(server.url).body for _ in range(3)] == [
        b"one",
        b"two",
        b"three",
    ]
    assert server.connections == 1


def test_a_connection_that_went_stale_is_replaced(serve: Serve) -> None:
    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer(b"fresh"))
        read_request(
            connection
        )  # and hangs up on the second request of each connection

    server = serve(behave)
    visitor = client("127.0.0.1")
    assert [visitor.get(server.url).body for _ in range(3)] == [b"fresh"] * 3
    assert server.connections == 3


def test_a_door_is_shared_by_threads(serve: Serve) -> None:
    server = serve(echo)
    visitor = client("127.0.0.1", limits=LIMITS)

    def fetch(place: int) -> bool:
        return visitor.get(f"{server.url}{place}").body.startswith(
            f"GET /{place} HTTP".encode()
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(fetch, range(200)))


def test_https_is_verified_by_name_and_used_again(serve: Serve) -> None:
    server = serve(echo, "server.pem")
    with client(
        "news.test", resolve=addresses("127.0.0.1"), ca_file=str(TLS / "ca.pem")
    ) as visitor:
        for _ in range(2):
            assert (
                f"Host: news.test:{server.port}".encode()
                in visitor.get(f"https://news.test:{server.port}/").body
            )
    assert server.connections == 1


def test_a_redirect_from_https_to_http_is_followed(serve: Serve) -> None:
    plain = serve(keeps_alive(answer(b"page")))
    target = f"http://news.test:{plain.port}/"
    tls = serve(says(answer(status="302 Found", Location=target)), "server.pem")
    with client(
        "news.test", resolve=addresses("127.0.0.1"), ca_file=str(TLS / "ca.pem")
    ) as visitor:
        assert visitor.get(f"https://news.test:{tls.port}/").url == target


def test_the_environment_leads_no_request_astray(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    proxy = serve(says(answer(b"the proxy")))
    server = serve(echo)
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    got = client("127.0.0.1").get(server.url).body
    assert got.startswith(b"GET / HTTP/1.1")
    assert b"Authorization" not in got
    assert proxy.connections == 0


GEVENT = """
import gevent.monkey
if {early}:
    gevent.monkey.patch_all()
from incidentwire.net.client import HttpClient, RequestLimits, OutboundError
if not {early}:
    gevent.monkey.patch_all()
import gevent, sys
ca, plain, tls, drip = sys.argv[1:]
hosts = frozenset({{"127.0.0.1", "localhost"}})
client = HttpClient(user_agent="t", allowed_hosts=hosts, ca_file=ca, limits=RequestLimits(connect_s=5, read_s=5, total_s=10))
pages = [gevent.spawn(client.get, plain) for _ in range(20)]
gevent.joinall(pages, raise_error=True)
assert all(page.value.body == b"plain" for page in pages)
import socket
def resolve(host, port, **_):
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
def to_tls(limits):
    return HttpClient(user_agent="t", allowed_hosts=frozenset({{"news.test"}}), ca_file=ca, limits=limits, resolve=resolve)
assert to_tls(RequestLimits()).get(tls).body == b"secret"
client = to_tls(RequestLimits(total_s=1.0))
for url in (tls + "drip", drip):
    try:
        client.get(url)
    except OutboundError as error:
        assert error.reason == "timeout", error
    else:
        sys.exit("no timeout")
print("all well")
"""


@pytest.mark.parametrize("early", [True, False], ids=["patched first", "patched last"])
def test_the_door_works_under_gevent(serve: Serve, early: bool) -> None:
    stop = threading.Event()

    def tls(connection: socket.socket) -> None:
        while request := read_request(connection):
            if not request.startswith(b"GET /drip"):
                connection.sendall(answer(b"secret"))
                continue
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while not stop.wait(0.02):
                connection.sendall(b"a")

    def drips_a_handshake(connection: socket.socket) -> None:
        connection.sendall(b"\x16\x03\x03\x40\x00")
        while not stop.wait(0.02):
            connection.sendall(b"\x02")

    plain = serve(keeps_alive(answer(b"plain")))
    urls = [
        f"https://news.test:{server.port}/"
        for server in (serve(tls, "server.pem"), serve(drips_a_handshake))
    ]
    script = GEVENT.format(early=early)
    done = subprocess.run(
        [sys.executable, "-c", script, str(TLS / "ca.pem"), plain.url, *urls],
        capture_output=True,
        text=True,
        timeout=60,
    )
    stop.set()
    assert (done.returncode, done.stdout.strip()) == (0, "all well"), done.stderr


NOW = datetime.datetime(2026, 3, 4, 12, 0, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("9" * 500, 86_400.0),
        ("Wed, 04 Mar 2026 12:01:30 GMT", 90.0),
        ("Wed, 04 Mar 2026 12:01:30 -0000", 90.0),
        ("Wednesday, 04-Mar-26 12:01:30 GMT", 90.0),
        ("Wed, 04 Mar 2026 11:00:00 GMT", 0.0),
        ("Wed, 04 Mar 2099 11:00:00 GMT", 86_400.0),
        ("", None),
        (None, None),
        ("-5", None),
        ("soon", None),
        ("Wed, 99 Mar 2026 11:00:00 GMT", None),
        ("Wed, 04 Mar 2026 11:00:00 +999999999999", None),
    ],
)
def test_retry_after_is_read_as_seconds(
    value: str | None, seconds: float | None
) -> None:
    assert retry_after_s(value, now=NOW) == seconds
