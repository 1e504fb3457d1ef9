"""A real SMTP server on loopback: accepts, refuses, or dies as a test says."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller

from tests.store import free_port


@dataclass
class MailServer:
    """`refuse` maps recipients to the reply they get; `reply` is that to the data.

    With `keeps_all`, a message is kept whatever the reply: the answer got lost.
    `on_data` runs while the sender waits for the answer to a message.
    """

    port: int = 0
    refuse: dict[str, str] = field(default_factory=dict)
    reply: str = "250 OK"
    keeps_all: bool = False
    on_data: Callable[[], None] = lambda: None
    raw: list[bytes] = field(default_factory=list)

    async def handle_RCPT(  # named by aiosmtpd
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.on_data()
        if self.keeps_all or self.reply.startswith("250"):
            self.raw.append(envelope.content)
        return self.reply

    def messages(self) -> list[EmailMessage]:
        return [
            cast(
                "EmailMessage",
                email.message_from_bytes(raw, policy=email.policy.default),
            )
            for raw in self.raw
        ]

    def texts(self) -> list[str]:
        """Return the plain text of each message."""
        found = []
        for message in self.messages():
            part = message.get_body(("plain",))
            assert part is not None
            found.append(str(part.get_content()))
        return found


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Yield a running MailServer."""
    server = MailServer(port=free_port())
    controller = Controller(server, hostname="127.0.0.1", port=server.port)
    controller.start()
    try:
        yield server
    finally:
        controller.stop()
