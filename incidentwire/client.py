"""A client of Incidentwire. Needs `requests` and nothing else of this project.

client = Client("http://127.0.0.1:8000", "http://127.0.0.1:8001", key="iwk_…")
receipt = client.submit(url="https://example.org/news/1")
for event in client.stream(after=0):
    print(event.position, event.type, event.subject)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests
import urllib3

TIMEOUT_S = 30.0
STREAM_TIMEOUT_S = 60.0  # the server sends a checkpoint after 15 s of silence
READ_BYTES = 65_536
BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
WEBHOOK_TOLERANCE_S = 300


class ClientError(Exception):
    """The server refused a request; `problem` is its RFC 9457 body."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {problem.get('detail') or problem.get('title')}")
        self.status = status
        self.problem = problem


class Gap(Exception):
    """The log does not continue from the cursor: history is gone, or was replaced.

    Load the items and incidents again, then go on after `last`.
    """

    def __init__(self, first: int, last: int, log_id: str) -> None:
        super().__init__(
            f"The log has positions {first} to {last} and does not continue from the"
            " cursor. Load the items again, and continue after the last position."
        )
        self.first = first
        self.last = last
        self.log_id = log_id


class BadSignature(Exception):
    """A webhook is not from this subscription, was changed, or is too old."""


@dataclass(frozen=True, kw_only=True)
class ReceivedEvent:
    """One event of the log.

    `cursor` is that of an event of a stream: the `after` with which to resume there.
    """

    position: int
    type: str
    subject: str
    time: str
    data: Mapping[str, Any]
    cursor: str = ""

    @classmethod
    def of(cls, envelope: Mapping[str, Any], cursor: str = "") -> ReceivedEvent:
        """Read a CloudEvents envelope."""
        return cls(
            position=int(envelope["sequence"]),
            type=envelope["type"],
            subject=envelope["subject"],
            time=envelope["time"],
            data=envelope["data"],
            cursor=cursor,
        )


@dataclass(frozen=True, kw_only=True)
class Leased:
    """An event that a consumer group has leased to this member."""

    event: ReceivedEvent
    attempt: int
    lease_id: str = ""


class Client:
    """Talks to one installation. Not safe for use by several threads at once."""

    def __init__(self, api_url: str, ingest_url: str = "", key: str = "") -> None:
        self.api_url = api_url.rstrip("/")
        self.ingest_url = ingest_url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False
        if key:
            self._session.headers["Authorization"] = f"Bearer {key}"

    def close(self) -> None:
        self._session.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- submit ------------------------------------------------------------------------

    def submit(
        self, *, url: str = "", title: str = "", text: str = "", **more: str
    ) -> dict[str, Any]:
        """Submit a URL or a text; return `{"id", "position", "known", "receipt"}`."""
        given = {"url": url, "title": title, "text": text, **more}
        body = {name: value for name, value in given.items() if value}
        return self._json("POST", f"{self.ingest_url}/v1/submissions", json=body)

    def receipt(self, item_id: str) -> dict[str, Any]:
        """Return what became of a submission."""
        return self._json("GET", f"{self.ingest_url}/v1/submissions/{item_id}")

    # -- read --------------------------------------------------------------------------

    def item(self, item_id: str) -> dict[str, Any]:
        return self._json("GET", f"{self.api_url}/v1/items/{item_id}")

    def items(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield all items that match, the newest first."""
        return self._pages("items", filters)

    def incident(self, incident_id: str) -> dict[str, Any]:
        return self._json("GET", f"{self.api_url}/v1/incidents/{incident_id}")

    def incidents(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield all incidents that match, the newest first."""
        return self._pages("incidents", filters)

    def stats(self) -> dict[str, Any]:
        """Return the counts of items by state and label, and how far they reach."""
        return self._json("GET", f"{self.api_url}/v1/stats")

    def events(self, after: int | str = 0, **filters: Any) -> Iterator[ReceivedEvent]:
        """Yield the events after a position, up to the end of the log as it is now.

        `after` is a position or a cursor, here and below.
        """
        while True:
            query = {**_resume(after), "limit": 1_000, **filters}
            page = self._json("GET", f"{self.api_url}/v1/events", params=query)
            yield from map(ReceivedEvent.of, page["events"])
            if page["next"] >= page["last"]:
                return
            after = page["cursor"]

    def poll(
        self, after: int | str, wait_s: int = 20, **filters: Any
    ) -> tuple[list[ReceivedEvent], str]:
        """Wait up to `wait_s` seconds for events; return them and the next `after`.

        For networks that cut streams. Raises ClientError 409 or 410 if history is gone.
        """
        query = {**_resume(after), "wait": wait_s, "limit": 1_000, **filters}
        page = self._json("GET", f"{self.api_url}/v1/events", params=query)
        return [ReceivedEvent.of(each) for each in page["events"]], page["cursor"]

    def stream(
        self, after: int | str | None = None, **filters: Any
    ) -> Iterator[ReceivedEvent]:
        """Yield events as they happen, for ever; reconnect and resume without loss.

        Raises Gap if history is gone, and ClientError if the key is refused.
        """
        failures = 0
        while True:
            try:
                for event_id, event in self._connect(after, filters):
                    failures = 0
                    after = event_id
                    if event is not None:
                        yield event
            except (requests.RequestException, urllib3.exceptions.HTTPError):
                pass  # the connection broke: resume after the last position
            time.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            failures += 1

    def _connect(
        self, after: int | str | None, filters: Mapping[str, Any]
    ) -> Iterator[tuple[str, ReceivedEvent | None]]:
        """Yield (cursor, event) pairs of one connection; a checkpoint has no event."""
        query = {**filters, **_resume(after)}
        with self._session.get(
            f"{self.api_url}/v1/events/stream",
            params=query,
            stream=True,
            timeout=(TIMEOUT_S, STREAM_TIMEOUT_S),
        ) as response:
            if 400 <= response.status_code < 500:
                raise _error(response)
            response.raise_for_status()
            for fields in _server_sent_events(response):
                data = json.loads(fields.get("data") or "{}")
                name = fields.get("event", "")
                if name == "gap":
                    raise Gap(data["first"], data["last"], data["log_id"])
                if cursor := fields.get("id", ""):
                    is_event = "specversion" in data
                    yield cursor, ReceivedEvent.of(data, cursor) if is_event else None

    # -- subscriptions -----------------------------------------------------------------

    def subscribe(self, name: str, channel: str, **fields: Any) -> dict[str, Any]:
        """Create a subscription; the webhook's `secret` or the `feed_url` comes once."""
        body = {"name": name, "channel": channel, **fields}
        return self._json("POST", f"{self.api_url}/v1/subscriptions", json=body)

    def subscriptions(self) -> list[dict[str, Any]]:
        found = self._json("GET", f"{self.api_url}/v1/subscriptions")
        return list(found["subscriptions"])

    def verify(self, subscription_id: str) -> dict[str, Any]:
        """Send a webhook its challenge; deliveries begin once it repeats it."""
        return self._json("POST", f"{self._subscription(subscription_id)}/verify")

    def pause(self, subscription_id: str) -> dict[str, Any]:
        url = self._subscription(subscription_id)
        return self._json("PATCH", url, json={"status": "paused"})

    def resume(self, subscription_id: str, what: str = "missed") -> dict[str, Any]:
        """Enable a subscription: deliver what it "missed", or go on from "now"."""
        url = self._subscription(subscription_id)
        return self._json("PATCH", url, json={"status": "active", "resume": what})

    def unsubscribe(self, subscription_id: str) -> None:
        self._json("DELETE", self._subscription(subscription_id))

    def deliveries(self, subscription_id: str) -> Iterator[dict[str, Any]]:
        """Yield the attempts of a subscription, the newest first."""
        query: dict[str, Any] = {"limit": 200}
        while True:
            url = f"{self._subscription(subscription_id)}/deliveries"
            page = self._json("GET", url, params=query)
            yield from page["deliveries"]
            if not page["next"]:
                return
            query["cursor"] = page["next"]

    def replay(self, subscription_id: str, **what: Any) -> int:
        """Deliver again: `positions=[…]`, `after=…`, `before=…` or `failed_since=…`.

        Returns how many events; a long range takes several requests.
        """
        url = f"{self._subscription(subscription_id)}/replay"
        replayed = 0
        while True:
            done = self._json("POST", url, json=what)
            replayed += int(done["replayed"])
            if done.get("next") is None:
                return replayed
            what["after"] = done["next"]

    def _subscription(self, subscription_id: str) -> str:
        return f"{self.api_url}/v1/subscriptions/{subscription_id}"

    # -- consumer groups ---------------------------------------------------------------

    def create_group(self, name: str, filter: str = "", **more: Any) -> dict[str, Any]:
        """Create a consumer group unless it exists; `after` begins in the past."""
        return self._json("POST", self._group(name), json={"filter": filter, **more})

    def group(self, name: str) -> dict[str, Any]:
        """Return how many events wait, are leased and are parked."""
        return self._json("GET", self._group(name))

    def replay_parked(self, name: str) -> int:
        """Make parked events available again; return how many."""
        found = self._json("POST", f"{self._group(name)}/parked/replay")
        return int(found["replayed"])

    def lease(
        self, name: str, limit: int = 10, wait_s: int = 0, lease_s: int = 30
    ) -> list[Leased]:
        """Take up to `limit` events; acknowledge each within `lease_s` seconds."""
        body = {"limit": limit, "wait_s": wait_s, "lease_s": lease_s}
        answer = self._json("POST", f"{self._group(name)}/lease", json=body)
        return [
            Leased(
                event=ReceivedEvent.of(each["event"]),
                attempt=each["attempt"],
                lease_id=answer["lease_id"],
            )
            for each in answer["events"]
        ]

    def acknowledge(
        self, name: str, positions: Sequence[int], lease_id: str = ""
    ) -> dict[str, Any]:
        """Say that events of a lease are done; `expired` lists those that it held no longer."""
        body = {"positions": list(positions), "lease_id": lease_id}
        return self._json("POST", f"{self._group(name)}/ack", json=body)

    def refuse(
        self, name: str, positions: Sequence[int], lease_id: str = ""
    ) -> dict[str, Any]:
        """Return events of a lease to the group; after five leases they are parked.

        `expired` lists those that the lease held no longer: they stay as they are.
        """
        body = {"positions": list(positions), "lease_id": lease_id}
        return self._json("POST", f"{self._group(name)}/nack", json=body)

    def _group(self, name: str) -> str:
        return f"{self.api_url}/v1/groups/{name}"

    # -- requests ----------------------------------------------------------------------

    def _pages(self, name: str, filters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        query = dict(filters)
        while True:
            page = self._json("GET", f"{self.api_url}/v1/{name}", params=query)
            yield from page[name]
            if not page["next"]:
                return
            query["cursor"] = page["next"]

    def _json(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        response = self._session.request(method, url, timeout=TIMEOUT_S, **options)
        if not response.ok:
            raise _error(response)
        body: dict[str, Any] = response.json() if response.content else {}
        return body


def _resume(after: int | str | None) -> dict[str, int | str]:
    """Return the query that resumes after a position or a cursor."""
    if after is None:
        return {}
    return {"cursor" if isinstance(after, str) else "after": after}


def _error(response: requests.Response) -> ClientError:
    try:
        problem = response.json()
    except ValueError:
        problem = {"title": response.reason}
    return ClientError(response.status_code, problem)


def _server_sent_events(response: requests.Response) -> Iterator[dict[str, str]]:
    """Yield the fields of each event (https://html.spec.whatwg.org/#server-sent-events)."""
    fields: dict[str, str] = {}
    for text in _lines(response):
        if not text:
            if fields:
                yield fields
            fields = {}
            continue
        name, _, value = text.partition(":")
        if name:
            fields[name] = value.removeprefix(" ")


def _lines(response: requests.Response) -> Iterator[str]:
    """Yield the lines of a body as soon as each is whole."""
    pending = b""
    while data := response.raw.read1(READ_BYTES, decode_content=True):
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode()


def verify_webhook(secret: str, headers: Mapping[str, str], body: bytes) -> Any:
    """Return the parsed body of a webhook. Raises BadSignature for any that is not ours.

    By the Standard Webhooks specification: HMAC-SHA256 over id, timestamp and body.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    message_id = lowered.get("webhook-id", "")
    stamp = lowered.get("webhook-timestamp", "")
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise BadSignature("The timestamp is missing or malformed.")
    if abs(time.time() - int(stamp)) > WEBHOOK_TOLERANCE_S:
        raise BadSignature("The message is too old or its clock is wrong.")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{stamp}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    for signature in lowered.get("webhook-signature", "").split(" "):
        version, _, value = signature.partition(",")
        if version == "v1" and hmac.compare_digest(value.encode(), expected):
            return json.loads(body)
    raise BadSignature("No signature matches.")
