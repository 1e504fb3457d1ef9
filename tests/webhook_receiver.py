"""A webhook endpoint on loopback that answers as a test says, and keeps what it got."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import Asked, Reply, answering


@dataclass
class Receiver:
    """What arrived, in order; `status` and `headers` are what it answers with.

    It answers once `gate` is set.
    """

    port: int = 0
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    repeats_challenge: bool = True
    requests: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def answer(self, asked: Asked) -> Reply:
        challenge = _header(asked, "webhook-challenge")
        if challenge is not None:
            answer = challenge if self.repeats_challenge else "no"
            return 200, {"webhook-challenge-response": answer}, b""
        if len(asked.body) != int(_header(asked, "content-length") or 0):
            return 400, {}, b""  # the sender died in the middle
        with self.lock:
            self.requests.append(asked)
        self.gate.wait()
        return self.status, self.headers, self.body

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(asked.body) for asked in self.requests]

    def ids(self) -> list[str]:
        return [_header(asked, "webhook-id") or "" for asked in self.requests]

    def types(self) -> list[str]:
        return [body["type"] for body in self.bodies()]


def _header(asked: Asked, name: str) -> str | None:
    lowered = {key.lower(): value for key, value in asked.headers.items()}
    return lowered.get(name)


@contextmanager
def receiving(**options: Any) -> Iterator[Receiver]:
    """Yield a running Receiver."""
    receiver = Receiver(**options)
    with answering(receiver.answer) as receiver.port:
        yield receiver
