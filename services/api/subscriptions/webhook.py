"""Deliver one message to a webhook, by the Standard Webhooks specification 1.0.0.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from incidentwire.net.client import (
    HttpClient,
    OutboundError,
    RequestLimits,
    Response,
    retry_after_s,
)
from services.api.subscriptions.retry_schedule import Failure

MAX_ANSWER_BYTES = 65_536
LIMITS = RequestLimits(
    connect_s=5.0, read_s=15.0, total_s=20.0, max_bytes=MAX_ANSWER_BYTES
)
CHALLENGE = "webhook-challenge"
CHALLENGE_RESPONSE = "webhook-challenge-response"
GONE = 410
MAX_SIGNATURES = 5  # of the newest secrets; receivers bound the size of a header


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one attempt; `failure` is None after a 2xx."""

    status: int | None = None
    excerpt: str = ""
    failure: Failure | None = None


def headers(
    message_id: str, body: bytes, secrets_newest_first: Sequence[str], now: datetime
) -> dict[str, str]:
    """Return the signed headers; during a rotation the newest valid secrets sign.

    `now` must be UTC: the library takes the wall clock of an aware time as UTC.
    """
    text = body.decode()
    stamp = now.astimezone(UTC)
    signatures = [
        Webhook(secret).sign(message_id, stamp, text)
        for secret in secrets_newest_first[:MAX_SIGNATURES]
    ]
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(stamp.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def send(
    client: HttpClient,
    url: str,
    message_id: str,
    payload: Mapping[str, Any],
    secrets_newest_first: Sequence[str],
    now: datetime,
) -> Outcome:
    """Post the payload. A redirect is a failure; 410 is permanent."""
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    signed = headers(message_id, body, secrets_newest_first, now)
    try:
        response = client.post(url, body, signed, LIMITS)
    except OutboundError as error:
        permanent = error.reason in ("refused_url", "refused_address")
        return Outcome(
            failure=Failure(
                reason=error.reason, detail=error.detail[:300], permanent=permanent
            )
        )
    return _outcome(response, now)


def verify(
    client: HttpClient, url: str, secrets_newest_first: Sequence[str], now: datetime
) -> Outcome:
    """Ask the endpoint whether it wants messages: it must repeat a random challenge.

    The challenge is sent in the header `webhook-challenge` and in the body; the answer
    repeats it in `webhook-challenge-response` or as its body.
    """
    challenge = secrets.token_urlsafe(24)
    payload = {
        "type": "subscription.verification",
        "timestamp": now.astimezone(UTC).isoformat(),
        "data": {"challenge": challenge},
    }
    body = json.dumps(payload).encode()
    signed = headers("verify_" + challenge[:16], body, secrets_newest_first, now)
    try:
        response = client.post(url, body, {**signed, CHALLENGE: challenge}, LIMITS)
    except OutboundError as error:
        return Outcome(failure=Failure(reason=error.reason, detail=error.detail[:300]))
    outcome = _outcome(response, now)
    if outcome.failure is not None:
        return outcome
    answered = response.headers.get(CHALLENGE_RESPONSE) or _text(response).strip()
    if not hmac.compare_digest(answered.encode(), challenge.encode()):
        detail = (
            f"The endpoint must repeat the value of the header {CHALLENGE}"
            f" in the header {CHALLENGE_RESPONSE} or as the body of its answer."
        )
        failure = Failure(reason="not_verified", detail=detail)
        return Outcome(status=outcome.status, excerpt=outcome.excerpt, failure=failure)
    return outcome


def _outcome(response: Response, now: datetime) -> Outcome:
    failure = None
    if not 200 <= response.status < 300:
        failure = Failure(
            reason="http_status",
            detail=f"The endpoint answered {response.status}.",
            permanent=response.status == GONE,
            retry_after_s=retry_after_s(response.headers.get("retry-after"), now=now),
        )
    return Outcome(status=response.status, excerpt=_text(response), failure=failure)


def _text(response: Response) -> str:
    text = response.body[:4_000].decode("utf-8", "replace")
    return "".join(c for c in text if c.isprintable() or c == "\n")
