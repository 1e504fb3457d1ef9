"""The page server of the demo: articles as pages, with the clutter that pages have around them."""

from __future__ import annotations

import html
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

OWN = Path(__file__).parent / "demo_articles"

PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title} | {publisher}</title>
<meta property="og:site_name" content="{publisher}"><meta property="og:title" content="{title}">
<meta property="article:published_time" content="{published}"></head>
<body><nav><a href="/">Home</a> <a href="/news">News</a> <a href="/about">About us</a></nav>
<main><article><h1>{title}</h1>{paragraphs}</article></main>
<aside><h3>Most read</h3>
<ul><li><a href="/weather">Weather</a></li><li><a href="/chess">Chess corner</a></li></ul></aside>
<footer>© {publisher}. Subscribe to our newsletter.</footer></body></html>
"""


def articles(folder: Path | None) -> list[dict[str, Any]]:
    """Return the articles in a folder of JSON files, or those written for the demo.

    Raises ValueError, which names the file, for what is no article.
    """
    return [_article(path) for path in sorted((folder or OWN).glob("*.json"))]


def _article(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(
        isinstance(found.get(name), str) for name in ("title", "text")
    ):
        raise ValueError(f"{path} is no JSON object with a title and a text.")
    return found


def page(article: dict[str, Any]) -> bytes:
    """One article as an HTML page."""
    paragraphs = (p.strip() for p in article["text"].split("\n") if p.strip())
    values = {
        "title": html.escape(article["title"]),
        "publisher": html.escape(article.get("publisher", "")),
        "published": html.escape(
            str(article.get("published") or article.get("published_about") or "")
        ),
        "language": html.escape(article.get("language", "en")),
        "paragraphs": "\n".join(f"<p>{html.escape(p)}</p>" for p in paragraphs),
    }
    return PAGE.format(**values).encode()


@contextmanager
def serving(pages: list[bytes]) -> Iterator[list[str]]:
    """Serve the pages on a loopback port of the system's choice; yields their URLs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name = self.path.rsplit("/", 1)[-1]
            known = name.isdigit() and int(name) < len(pages)
            body = pages[int(name)] if known else b"no such page"
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet: the demo's own output is what the reader is here for."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield [
            f"http://127.0.0.1:{server.server_port}/news/{n}" for n in range(len(pages))
        ]
    finally:
        server.shutdown()
        server.server_close()
