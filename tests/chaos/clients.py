"""Those who use the system meanwhile: a submitter, stream readers, group members."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import requests

from incidentwire.client import Client, ClientError
from tests.harness import LEAK, PLAIN

NAMES = "Aster Birch Cedar Dahlia Elder Fennel Ginkgo Hazel Iris Juniper".split()
LEASE_S = 5


class Crowd:
    """Threads that run until `stopped`; `api`, `ingest` and `key` are those of `up`."""

    def __init__(self, api: str, ingest: str, key: str) -> None:
        self.api = api
        self.ingest = ingest
        self.key = key
        self.stopped = threading.Event()

    def start(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, daemon=True).start()

    def client(self) -> Client:
        return Client(self.api, self.ingest, key=self.key)


class Submitter:
    """Submits texts at a rate; repeats what was not acknowledged."""

    def __init__(self, crowd: Crowd, rng: random.Random, rate: float) -> None:
        self.crowd = crowd
        self.rng = rng
        self.rate = rate
        self.acknowledged: set[str] = set()
        self.refused = 0
        self.finished = threading.Event()

    def run(self) -> None:
        began = time.monotonic()
        number = 0
        with self.crowd.client() as client:
            while not self.finished.is_set():
                self._submit(client, number)
                number += 1
                due = began + number / self.rate
                self.finished.wait(max(0.0, due - time.monotonic()))

    def _submit(self, client: Client, number: int) -> None:
        name = self.rng.choice(NAMES)
        text = LEAK if number % 3 == 0 else PLAIN
        title = f"{name} {number}: {'records of patients exposed' if text is LEAK else 'benches'}"
        while not self.finished.is_set():
            try:
                receipt = client.submit(title=title, text=f"{name}, {number}. {text}")
            except (requests.RequestException, ClientError):
                self.refused += 1
                self.finished.wait(0.2)
                continue
            self.acknowledged.add(receipt["id"])
            return


class Reader:
    """Reads the stream from the beginning; hangs up and resumes at random."""

    def __init__(self, crowd: Crowd, rng: random.Random) -> None:
        self.crowd = crowd
        self.rng = rng
        self.positions: list[int] = []

    def run(self) -> None:
        while not self.crowd.stopped.is_set():
            with self.crowd.client() as client:
                self._read(client, self.rng.randint(20, 300))

    def _read(self, client: Client, count: int) -> None:
        after = self.positions[-1] if self.positions else 0
        try:
            for event in client.stream(after=after):
                self.positions.append(event.position)
                count -= 1
                if not count:
                    return
        except ClientError:
            self.crowd.stopped.wait(0.5)


class Member:
    """A member of a consumer group: sometimes it forgets events, sometimes it returns them."""

    def __init__(self, crowd: Crowd, rng: random.Random, group: str) -> None:
        self.crowd = crowd
        self.rng = rng
        self.group = group
        self.done: set[int] = set()

    def run(self) -> None:
        while not self.crowd.stopped.is_set():
            with self.crowd.client() as client:
                try:
                    self.turn(client, careless=True)
                except (requests.RequestException, ClientError):
                    self.crowd.stopped.wait(0.3)

    def turn(self, client: Client, *, careless: bool) -> int:
        """Handle one lease; return how many events it had."""
        leased = client.lease(self.group, limit=20, wait_s=1, lease_s=LEASE_S)
        luck = {
            each.event.position: self.rng.random() if careless else 1.0
            for each in leased
        }
        returned = [position for position, value in luck.items() if 0.1 <= value < 0.2]
        done = [position for position, value in luck.items() if value >= 0.2]
        self.done.update(done)
        lease_id = leased[0].lease_id if leased else ""
        if done:
            client.acknowledge(self.group, done, lease_id)
        if returned:
            client.refuse(self.group, returned, lease_id)
        return len(leased)
