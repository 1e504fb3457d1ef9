"""The client against running services: read, stream through restarts, share, verify."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from incidentwire.client import BadSignature, Client, ClientError, verify_webhook
from services.api.subscriptions.secrets import new_webhook_secret
from tests.harness import Harness, kill_with_children
from tests.store import Store


def test_it_reads_pages_and_resumes_its_stream_after_a_restart(
    store: Store, tmp_path: Path
) -> None:
    connection = store.connect()
    with Harness(connection, store.url, tmp_path / "data") as harness:
        for n in range(3):
            harness.add_item(f"i_{n}", labels=("data_leak",))
        harness.projector().catch_up()
        web = harness.run_web()
        client = Client(f"http://127.0.0.1:{harness.port}", key=harness.key)
        assert {item["id"] for item in client.items(limit=1)} == {"i_0", "i_1", "i_2"}
        seen = [event.position for event in client.events()]
        assert seen == list(range(1, 10))
        stream = client.stream(after=4)
        streamed = [next(stream).position for _ in range(3)]
        kill_with_children(web)
        harness.processes.remove(web)
        harness.add_item("i_3")
        harness.run_web()
        streamed += [next(stream).position for _ in range(5)]
        assert streamed == list(range(5, 13))
        with pytest.raises(ClientError) as refused:
            client.item("i_none")
        assert refused.value.status == 404
        client.close()
    connection.close()


def test_it_verifies_what_the_reference_library_signs_and_nothing_else() -> None:
    secret, other = new_webhook_secret(), new_webhook_secret()
    now = datetime.now(UTC)
    body = '{"type":"item.classified"}'
    headers = {
        "Webhook-Id": "m1",
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": f"{Webhook(other).sign('m1', now, body)} {Webhook(secret).sign('m1', now, body)}",
    }
    assert verify_webhook(secret, headers, body.encode())["type"] == "item.classified"
    for change in (
        {"Webhook-Id": "m2"},
        {"Webhook-Timestamp": "1"},
        {"Webhook-Timestamp": "9" * 5000},
        {"Webhook-Timestamp": "x"},
        {"Webhook-Signature": "v1"},
        {"Webhook-Signature": "v1,é"},
        {"Webhook-Signature": ""},
    ):
        with pytest.raises(BadSignature):
            verify_webhook(secret, headers | change, body.encode())
    with pytest.raises(BadSignature):
        verify_webhook(secret, headers, body.encode() + b" ")


def test_it_needs_requests_and_nothing_else_of_the_project() -> None:
    program = (
        "import sys, incidentwire.client;"
        "print([m for m in sys.modules if m.startswith(('flask', 'redis', 'services', 'numpy', 'incidentwire.'))])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "['incidentwire.client']"
