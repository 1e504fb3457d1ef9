"""Webhook endpoints and a mail server of every temper, which note what they accepted."""

from __future__ import annotations

import json
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.loopback import Asked, Reply, answering
from tests.mail_server import MailServer

HEALABLE = ("good", "flaky", "limited", "slow")  # deliver in the end
HOPELESS = ("failing", "redirecting", "silent", "garbled", "gone")
ACCEPTED_BEFORE_GONE = 5
SILENCE_S = 20.0


@dataclass
class Endpoint:
    """One webhook endpoint. `accepted` holds (message id, position) of what got a 2xx."""

    temper: str
    rng: random.Random
    port: int = 0
    healed: bool = False
    ended_with_410: bool = False
    after_410: int = 0
    accepted: list[tuple[str, int]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def answer(self, asked: Asked) -> Reply:
        headers = {name.lower(): value for name, value in asked.headers.items()}
        if challenge := headers.get("webhook-challenge"):
            return 200, {"webhook-challenge-response": challenge}, b""
        if len(asked.body) != int(headers["content-length"]):
            return 400, {}, b""  # the sender died in the middle
        status, more = self._status()
        if 200 <= status < 300:
            position = json.loads(asked.body)["data"]["event"]["sequence"]
            self.accepted.append((headers["webhook-id"], position))
        return status, more, b""

    def _status(self) -> tuple[int, dict[str, str]]:
        fails = not self.healed and self.rng.random() < 0.3
        match self.temper:
            case "flaky" if fails:
                return 500, {}
            case "limited" if fails:
                return 429, {"Retry-After": "1"}
            case "slow" if not self.healed:
                threading.Event().wait(0.3)
            case "failing":
                return 500, {}
            case "redirecting":
                return 302, {"Location": self.url}
            case "silent":
                threading.Event().wait(SILENCE_S)
                return 500, {}
            case "garbled":
                return 500, {"Content-Encoding": "gzip"}
            case "gone" if len(self.accepted) >= ACCEPTED_BEFORE_GONE:
                self.after_410 += self.ended_with_410
                self.ended_with_410 = True
                return 410, {}
        return 200, {}


@contextmanager
def endpoints(seed: int, of_each: int) -> Iterator[list[Endpoint]]:
    """Yield running endpoints, `of_each` of every temper."""
    with ExitStack() as stack:
        made = []
        for temper in (*HEALABLE, *HOPELESS):
            for number in range(of_each):
                rng = random.Random(f"{seed}/{temper}/{number}")
                endpoint = Endpoint(temper=temper, rng=rng)
                endpoint.port = stack.enter_context(answering(endpoint.answer))
                made.append(endpoint)
        yield made


@contextmanager
def resetting() -> Iterator[int]:
    """Yield the port of a server that resets every connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.close()


def upset(server: MailServer, rng: random.Random) -> None:
    """Change the mood of a mail server: good, busy, or taking mail without an answer."""
    mood = rng.choice(("good", "busy", "lost"))
    server.reply = "250 OK" if mood == "good" else "451 try later"
    server.keeps_all = mood == "lost"


def calm(server: MailServer) -> None:
    server.reply = "250 OK"
    server.keeps_all = False
