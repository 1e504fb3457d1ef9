"""Does a hostile URL ever make us dial a private address? Run the HTTP client over a file of cases, without a packet.

    python benchmarks/ssrf_eval.py CASES.jsonl

A row has `kind`. `literal`, `dns`, `metadata`: `url`, and the `target` that must never be dialled. `ip`, `cidr`: the
address or network under that name, and `expected`, allow or block. Each goes in four ways: check() alone, get(), a
redirect from a server of our own, and as the DNS answer to an innocent name. A recorder stands where connect() is.
The limit is 0 failures; exit code 1 when it is missed.
"""

from __future__ import annotations

import collections
import contextlib
import ipaddress
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from incidentwire.net.client import HttpClient, OutboundError, RequestLimits
from incidentwire.net.ssrf import refusal_of_address

DECOY = (
    "93.184.215.14"  # what every name resolves to, where the row does not say otherwise
)
Row = dict[str, str]


class Recorder:
    """Stands in for socket.connect: notes who was dialled, lets only our own redirecting server be reached."""

    def __init__(self, own_port: int) -> None:
        self.dialled: list[str] = []
        self._own = ("127.0.0.1", own_port)
        self._connect: Callable[..., None] = socket.socket.connect

    def stand_in(self) -> Any:
        """Return what to put where socket.connect is."""

        def connect(sock: socket.socket, address: Any) -> None:
            if address == self._own:
                self._connect(sock, address)
                return
            self.dialled.append(address[0])
            raise ConnectionRefusedError("the recorder lets nothing out")

        return connect


class Redirector(threading.Thread):
    """Answers every request on loopback with a redirect to `location`, byte for byte."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.location = ""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def run(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                connection.recv(65_536)
                location = self.location.encode("utf-8", "surrogatepass")
                connection.sendall(
                    b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: "
                    + location
                    + b"\r\n\r\n"
                )


class Bench:
    """The HTTP client under test, with the resolver and the recorder of this script."""

    def __init__(self) -> None:
        self.redirector = Redirector()
        self.redirector.start()
        self.recorder = Recorder(self.redirector.port)
        self.answer = DECOY
        self.client = HttpClient(
            user_agent="incidentwire-ssrf-eval",
            allowed_hosts=frozenset({f"127.0.0.1:{self.redirector.port}"}),
            limits=RequestLimits(connect_s=2.0, read_s=2.0, total_s=4.0),
            resolve=self._resolve,
        )

    def _resolve(self, host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        family = socket.AF_INET6 if ":" in self.answer else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (self.answer, port))]

    def dialled_by(self, url: str, answer: str = DECOY) -> list[str]:
        """Fetch `url` while DNS says `answer`; return the addresses that would have been dialled."""
        self.recorder.dialled = []
        self.answer = answer
        with contextlib.suppress(OutboundError):
            self.client.get(url)
        return self.recorder.dialled

    def dialled_by_redirect(self, url: str, answer: str = DECOY) -> list[str]:
        """Return the same with `url` in the Location header of a page that may be fetched."""
        self.redirector.location = url
        return self.dialled_by(f"http://127.0.0.1:{self.redirector.port}/", answer)

    def passes_check(self, url: str) -> bool:
        """Tell whether check() lets `url` through."""
        try:
            self.client.check(url)
        except OutboundError:
            return False
        return True


def hostile_results(bench: Bench, row: Row) -> Iterator[tuple[str, bool]]:
    """Yield (way, passed) for a URL that must never reach its target: only the decoy may be dialled, or nobody."""
    url = row["url"]
    target = row["target"]
    is_ip = row["kind"] != "metadata"
    only_decoy = {DECOY} if is_ip else set()
    if not is_ip:
        yield "check", not bench.passes_check(url)
    elif (
        row["kind"] == "literal"
    ):  # where check() lets one through, its host must be a name, which resolves to the decoy
        yield "check", not bench.passes_check(url) or bench.dialled_by(url) == [DECOY]
    answer = target if row["kind"] == "dns" else DECOY
    yield "get", set(bench.dialled_by(url, answer)) <= only_decoy
    if "\r" not in url and "\n" not in url:
        yield "redirect", set(bench.dialled_by_redirect(url, answer)) <= only_decoy
    if is_ip:
        yield "dns", bench.dialled_by("http://an-innocent-name.example/", target) == []


def address_results(
    bench: Bench, address: str, expected: str
) -> Iterator[tuple[str, bool]]:
    """Yield (way, passed) for one address that is to be dialled, or is not."""
    host = f"[{address}]" if ":" in address else address
    meant = [str(ipaddress.ip_address(address))] if expected == "allow" else []
    yield "check", bench.passes_check(f"http://{host}/") == (expected == "allow")
    yield "table", (refusal_of_address(address) is None) == (expected == "allow")
    yield "get", bench.dialled_by(f"http://{host}/") == meant
    yield "redirect", bench.dialled_by_redirect(f"http://{host}/") == meant
    yield (
        "dns",
        bench.dialled_by(
            "http://an-innocent-name.example/", str(ipaddress.ip_address(address))
        )
        == meant,
    )


def row_results(bench: Bench, row: Row) -> Iterator[tuple[str, bool]]:
    """Yield (way, passed) for one row of the file."""
    if row["kind"] == "ip":
        yield from address_results(bench, row["ip"], row["expected"])
    elif row["kind"] == "cidr":
        network = ipaddress.ip_network(row["cidr"])
        for place in {0, 1, network.num_addresses // 2, network.num_addresses - 1}:
            yield from address_results(bench, str(network[place]), row["expected"])
    else:
        yield from hostile_results(bench, row)


def main(path: str) -> int:
    """Run every row and print the counts; return the exit code."""
    bench = Bench()
    socket.socket.connect = bench.recorder.stand_in()  # type: ignore[method-assign]
    counts: collections.Counter[tuple[str, str, bool]] = collections.Counter()
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        row: Row = json.loads(line)
        for way, passed in row_results(bench, row):
            counts[row["kind"], way, passed] += 1
            if not passed:
                print(
                    "FAILED",
                    row["id"],
                    way,
                    ascii(row.get("url") or row.get("ip") or row.get("cidr")),
                )
    print(f"{'kind':10}{'way':10}{'passed':>8}{'failed':>8}   limit: 0 failed")
    for kind, way in sorted({(kind, way) for kind, way, _ in counts}):
        print(
            f"{kind:10}{way:10}{counts[kind, way, True]:8}{counts[kind, way, False]:8}"
        )
    return int(any(not passed for _, _, passed in counts))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/ssrf_eval.py CASES.jsonl")
    sys.exit(main(sys.argv[1]))
