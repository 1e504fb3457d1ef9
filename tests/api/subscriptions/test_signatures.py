"""Our signatures in the reference libraries of Python and JavaScript, and in our client."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from incidentwire.client import BadSignature, verify_webhook
from services.api.subscriptions import webhook
from services.api.subscriptions.secrets import new_webhook_secret
from tests.javascript import STANDARD_WEBHOOKS, node

FORMER, CURRENT, OTHER = (new_webhook_secret() for _ in range(3))
BODY = json.dumps({"type": "incident.opened", "title": "六万名患者信息泄露"}).encode()

Message = tuple[str, Mapping[str, str], bytes]  # secret, headers, body


def signed(age: timedelta = timedelta()) -> dict[str, str]:
    """Return the headers of a message signed during a rotation, some time ago."""
    moment = datetime.now(UTC) - age
    return webhook.headers("s_a_1", BODY, [CURRENT, FORMER], moment)


def genuine() -> list[Message]:
    return [(CURRENT, signed(), BODY), (FORMER, signed(), BODY)]


def forged() -> list[Message]:
    """Return messages that must not verify: tampered, stale, malformed."""
    headers = signed()
    cut = headers["webhook-signature"][:20]
    changes: list[dict[str, str]] = [
        {"webhook-id": "s_a_2"},
        {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)},
        {"webhook-timestamp": "yesterday"},
        {"webhook-signature": ""},
        {"webhook-signature": cut},
        {"webhook-signature": "v1,%%%"},
        {"webhook-signature": "v2," + headers["webhook-signature"][3:]},
    ]
    return [
        (OTHER, headers, BODY),
        (CURRENT, headers, BODY + b" "),
        (CURRENT, signed(timedelta(minutes=10)), BODY),
        (CURRENT, signed(timedelta(minutes=-10)), BODY),
        *((CURRENT, headers | change, BODY) for change in changes),
    ]


def test_the_python_library_and_our_client_accept_ours_and_refuse_the_rest() -> None:
    for secret, headers, body in genuine():
        assert Webhook(secret).verify(body, dict(headers)) == json.loads(BODY)
        assert verify_webhook(secret, headers, body) == json.loads(BODY)
    for secret, headers, body in forged():
        # The library raises ValueError for some malformed signatures.
        with pytest.raises((WebhookVerificationError, ValueError)):
            Webhook(secret).verify(body, dict(headers))
        with pytest.raises(BadSignature):
            verify_webhook(secret, headers, body)


def test_many_rotations_leave_the_header_short() -> None:
    secrets = [new_webhook_secret() for _ in range(20)]
    headers = webhook.headers("s_a_1", BODY, secrets, datetime.now(UTC))
    assert len(headers["webhook-signature"]) < 250
    assert verify_webhook(secrets[0], headers, BODY) == json.loads(BODY)


def test_the_javascript_library_accepts_ours_and_refuses_the_rest() -> None:
    messages = [*genuine(), *forged()]
    given = [
        {"secret": secret, "headers": dict(headers), "body": body.decode()}
        for secret, headers, body in messages
    ]
    done = subprocess.run(
        [node(), Path(__file__).with_name("verify.cjs"), STANDARD_WEBHOOKS],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [True] * len(genuine()) + [False] * len(forged())
    assert json.loads(done.stdout) == expected
