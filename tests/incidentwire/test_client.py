"""The client against running services: read, stream through restarts, share, verify."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
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


EVENT = (
    'id: 1\r\nevent: item.rejected\r\ndata: {"specversion": "1.0", "sequence": 1,'
    ' "type": "item.rejected", "subject": "i_泄露", "time": "2026-05-31T10:00:00.000Z",'
    ' "data": {}}\r\n\r\n'
).encode()
CUT = EVENT.index("泄".encode()) + 1  # within a character
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize("coding", [CHUNKED, b""], ids=["chunked", "until it closes"])
def test_an_event_is_yielded_while_its_stream_is_open_however_it_is_cut(
    coding: bytes,
) -> None:
    pieces = [EVENT[:CUT], EVENT[CUT:], b"id: 2\ndata: {"]
    if coding:
        pieces = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        client = Client(f"http://127.0.0.1:{listener.getsockname()[1]}", key="k")
        asked: list[bytes] = []
        received = threading.Event()

        def serve() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    asked.append(connection.recv(65_536))
                    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                    connection.sendall(head + coding + b"\r\n")
                    for piece in pieces:
                        connection.sendall(piece)
                    received.wait(30)

        server = threading.Thread(target=serve)
        server.start()
        stream = client.stream(after=0)
        assert next(stream).subject == "i_泄露"
        received.set()  # the connection breaks off in the middle of the next event
        next(stream)
        server.join()
        client.close()
    assert b"after=0" in asked[0]
    assert b"cursor=1 " in asked[1]


def test_it_verifies_what_the_reference_library_signs_and_nothing_else() -> None:
    secret = new_webhook_secret()
    other = new_webhook_secret()
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
