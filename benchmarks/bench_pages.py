"""Are search and pages fast at 200,000 items and 20,000 incidents, while 25 items a second come in?

`--datasette PROGRAM` measures Datasette over the same file: the same words, full text
search and facets of its own. It is no dependency; install it into an environment apart:

    uv venv /tmp/peer && uv pip install --python /tmp/peer datasette
"""

from __future__ import annotations

import random
import secrets
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import click
import requests
from playwright.sync_api import sync_playwright

from benchmarks.page_corpus import Arrivals, Corpus
from benchmarks.stand import Stand, free_port, row, stand, wait_for_port
from incidentwire.web.sessions import COOKIE, SessionStore
from incidentwire.web.users import Users

ROUNDS = 120  # requests of each kind
LIMITS_MS = {
    "search page": 60,
    "search in the API": 60,
    "incident list with facets": 80,
    "incident page": 100,
    "front page": 100,
}
ARRIVING = 25  # items a second
PAINTS = 5
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]"
WEIGHT = (
    "() => ['navigation', 'resource'].flatMap(type => performance.getEntriesByType(type))"
    ".reduce((sum, entry) => sum + entry.encodedBodySize, 0)"
)


@click.command()
@click.option("--items", default=200_000, show_default=True)
@click.option("--incidents", default=20_000, show_default=True)
@click.option("--words", default=300, show_default=True, help="Mean of a text.")
@click.option("--datasette", type=click.Path(path_type=Path, exists=True))
@click.option("--kept", type=click.Path(path_type=Path), help="Folder to reuse.")
def main(
    items: int, incidents: int, words: int, datasette: Path | None, kept: Path | None
) -> None:
    """Print the 95th percentile of each page beside its limit."""
    corpus = Corpus(items, incidents, words)
    with stand(store_maxmemory="4gb", kept=kept) as here:
        arrivals = Arrivals(here, corpus)
        arrivals.fill()
        port = free_port()
        here.start("services.api.web", "--port", str(port))
        wait_for_port(port)
        arriving = arrivals.start(ARRIVING)
        try:
            base = f"http://127.0.0.1:{port}"
            _measure(here, base, corpus, arrivals.filler.names)
            _measure_browser(here, base, arrivals.filler.names)
            if datasette:
                _measure_peer(here, datasette, corpus)
        finally:
            arriving.terminate()
            arriving.join()


def _measure(here: Stand, base: str, corpus: Corpus, incidents: Sequence[str]) -> None:
    paths = {
        "search page": (f"/search?q={quote(q)}" for q in _queries(corpus)),
        "search in the API": (
            f"/v1/search?kind=items&q={quote(q)}" for q in _queries(corpus)
        ),
        "incident list with facets": _lists(corpus),
        "incident page": _incidents(incidents),
        "front page": iter(["/"] * ROUNDS),
    }
    visitor = requests.Session()
    visitor.headers.update(here.headers)  # the API takes a key, pages a session
    visitor.cookies.set(COOKIE, signed_in(here))
    for name, asked in paths.items():
        times, size = _times(visitor, base, asked)
        limit = LIMITS_MS[name]
        figure = f"{statistics.median(times):.0f} / {_p95(times):.0f} ms"
        row(
            f"{name}, median / p95",
            figure,
            f"p95 below {limit} ms, {size // 1000} kB",
            _p95(times) < limit,
        )


def signed_in(here: Stand) -> str:
    """Return the cookie of a person who may curate."""
    name = f"bench-{secrets.token_hex(4)}"
    user = Users(here.connection).add(name, "correct horse battery", "curator")
    issuer = f"user:{user.name}:{user.serial}"
    return SessionStore(here.connection).start(user.name, user.scopes, issuer)


def _measure_browser(here: Stand, base: str, incidents: Sequence[str]) -> None:
    """Print first paint and weight of three pages in Chromium, with nothing cached."""
    paths = {
        "front": "/",
        "incident list": "/incidents",
        "incident": f"/incidents/{incidents[0]}",
    }
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS
        )
        for name, path in paths.items():
            paints = []
            for _ in range(PAINTS):
                context = browser.new_context()
                cookie = {"name": COOKIE, "value": signed_in(here), "url": base}
                context.add_cookies([cookie])  # type: ignore[list-item]
                page = context.new_page()
                page.goto(base + path, wait_until="load")
                page.wait_for_function(f"() => {FIRST_PAINT}")
                paints.append(page.evaluate(f"() => {FIRST_PAINT}.startTime"))
                weight = page.evaluate(WEIGHT)
                context.close()
            worst = max(paints)
            row(
                f"{name} in Chromium, first paint / weight",
                f"{worst:.0f} ms / {weight / 1000:.0f} kB",
                "below 1,000 ms, 150 kB",
                worst < 1000 and weight < 150_000,
            )
        browser.close()


def _measure_peer(here: Stand, program: Path, corpus: Corpus) -> None:
    """Measure Datasette: 25 rows of items that match, with three facets."""
    port = free_port()
    file = here.settings.read_model.resolve()
    command = [
        program,
        "serve",
        file,
        "--port",
        str(port),
        "--setting",
        "sql_time_limit_ms",
        "10000",
        "--setting",
        "facet_time_limit_ms",
        "5000",
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port(port)
        words = [q for q in _queries(corpus) if q.isalpha() and q.isascii()]
        database = file.stem.replace(".", "~2E")  # as Datasette writes it in paths
        where = "n+in+(select+rowid+from+words+where+words+match+'{}')"
        asked = (
            f"/{database}/items.json?_size=25&_facet=language&_facet=host"
            f"&_facet=state&_where={where.format(word)}"
            for word in words
        )
        times, size = _times(requests.Session(), f"http://127.0.0.1:{port}", asked)
        figure = f"{statistics.median(times):.0f} / {_p95(times):.0f} ms"
        row("Datasette: items with facets, median / p95", figure, f"{size // 1000} kB")
    finally:
        process.terminate()
        process.wait()


def _times(
    visitor: requests.Session, base: str, paths: Iterator[str]
) -> tuple[list[float], int]:
    """Return the milliseconds of each answer, and the bytes of the largest."""
    times = []
    size = 0
    for path in paths:
        began = time.perf_counter()
        answer = visitor.get(base + path, timeout=60)
        times.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, (path, answer.status_code)
        size = max(size, len(answer.content))
    return times, size


def _queries(corpus: Corpus) -> Iterator[str]:
    """Yield what people type: one to three words, phrases, fields, half in Chinese."""
    chance = random.Random(3)
    for n in range(ROUNDS):
        zh = n % 2 == 0
        words = [corpus.chinese, corpus.english][not zh]
        # people look for words that mean something: not the 100 commonest
        picked = [words[100 + int(chance.random() ** 3 * 20_000)] for _ in range(3)]
        yield (
            picked[0],
            " OR ".join(picked[:2]),
            f"{picked[0]} label:data_leak",
            f'"{picked[0]}"',
            f"{picked[1]} lang:{'zh' if zh else 'en'} after:2025-06-01",
            words[chance.randint(20, 100)],
        )[n // 2 % 6]


def _lists(corpus: Corpus) -> Iterator[str]:
    words = _queries(corpus)
    for n in range(ROUNDS):
        yield (
            "/incidents",
            "/incidents?label=deepfake",
            "/incidents?language=zh&sort=updated",
            f"/incidents?q={quote(next(words))}",
            "/incidents?source=site1.example.org&sort=items",
            "/incidents?without_label=consent&month=2025-07",
            "/incidents?country=de&label=deepfake",
            f"/incidents?entity={quote(corpus.companies[n])}",
        )[n % 8]


def _incidents(names: Sequence[str]) -> Iterator[str]:
    chance = random.Random(5)
    for n in range(ROUNDS):
        # every tenth is one of the largest
        name = names[n // 10] if n % 10 == 0 else chance.choice(names)
        yield f"/incidents/{name}"


def _p95(times: Sequence[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


if __name__ == "__main__":
    main()
