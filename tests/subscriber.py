"""A subscriber that follows the event stream, resumes where it broke, and keeps all events."""

from __future__ import annotations

import json
import threading
from typing import Any

import requests

PAUSE_S = 0.05


class Subscriber:
    """Follow the stream in a thread, from the first event on: `with Subscriber(…) as s`."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.url = url
        self.headers = headers
        self.events: list[dict[str, Any]] = []
        self.connections = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Subscriber:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()

    @property
    def positions(self) -> list[int]:
        return [event["sequence"] for event in self.events]

    def all_of_type(self, name: str) -> list[dict[str, Any]]:
        return [event for event in list(self.events) if event["type"] == name]

    def of_type(self, name: str) -> dict[str, dict[str, Any]]:
        """Return the newest event of a type by its subject."""
        return {event["subject"]: event for event in self.all_of_type(name)}

    def _follow(self) -> None:
        while not self._stopped.wait(PAUSE_S):
            self.connections += 1
            last = self.events[-1]["sequence"] if self.events else 0
            resume = {**self.headers, "Last-Event-ID": str(last)}
            try:
                with requests.get(
                    self.url, headers=resume, stream=True, timeout=60
                ) as answer:
                    self._receive(answer)
            except requests.RequestException:
                continue

    def _receive(self, answer: requests.Response) -> None:
        for line in answer.iter_lines(chunk_size=None):
            if line.startswith(b'data: {"specversion"'):
                self.events.append(json.loads(line.removeprefix(b"data: ")))
            if self._stopped.is_set():
                return
