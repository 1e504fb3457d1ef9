"""The web server from which benchmarks fetch pages: it answers /page/<number>, and 404 to all else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serving(page: Callable[[str, int], bytes]) -> Iterator[int]:
    """Serve HTML pages on every loopback address; yields the port. `page` takes host and number, and may block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            start, _, number = self.path.rpartition("/")
            known = start == "/page" and number.isdigit()
            body = (
                page(self.headers["Host"].partition(":")[0], int(number))
                if known
                else b""
            )
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
