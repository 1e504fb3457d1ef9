"""A web server on many loopback addresses: each is a host of its own to a fetcher."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOSTS = frozenset(f"127.0.{n // 200}.{n % 200 + 2}" for n in range(1000))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


@dataclass
class ManyHosts:
    """Pages by path. `/hang…` answers once `release` is set, `/to/<host>/…` redirects to
    that host; everything else is an article. `at_once` is the highest number of requests
    that a host had at once."""

    article: bytes
    port: int = 0
    release: threading.Event = field(default_factory=threading.Event)
    seen: list[str] = field(default_factory=list)
    at_once: Counter[str] = field(default_factory=Counter)
    current: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    work_s: float = 0.0  # time that an answer takes
    slow_s: float = 0.0  # time that an answer to `/slow…` takes

    def url(self, host: int | str, path: str) -> str:
        name = sorted(HOSTS)[host] if isinstance(host, int) else host
        return f"http://{name}:{self.port}{path}"

    def come(self, host: str, path: str) -> None:
        with self.lock:
            self.seen.append(f"{host}{path}")
            self.current[host] += 1
            self.at_once[host] = max(self.at_once[host], self.current[host])

    def go(self, host: str) -> None:
        with self.lock:
            self.current[host] -= 1


@contextmanager
def many_hosts(article: bytes) -> Iterator[ManyHosts]:
    """Yield a running server. What hangs is released at the end."""
    site = ManyHosts(article)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            host = self.headers["Host"].partition(":")[0]
            site.come(host, self.path)
            try:
                self.answer()
            finally:
                site.go(host)

        def answer(self) -> None:
            if self.path.startswith("/hang"):
                site.release.wait(60)
            elif self.path.startswith("/slow"):
                threading.Event().wait(site.slow_s)
            elif site.work_s:
                threading.Event().wait(site.work_s)
            if self.path.startswith("/to/"):
                target = self.path.split("/")[2]
                self.send_response(302)
                self.send_header("Location", site.url(target, "/article" + self.path))
                body = b""
            else:
                self.send_response(404 if self.path == "/robots.txt" else 200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                body = site.article.replace(b"PATH", self.path.encode())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # a fetcher that was stopped
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("0.0.0.0", 0), Handler)
    site.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield site
    finally:
        site.release.set()
        server.shutdown()
        server.server_close()
