"""What no HTTP parser accepts gets problem details, and the connection ends."""

from __future__ import annotations

import json
import socket

import pytest

from tests.harness import Harness

POST = (
    "POST /v1/incidents/n_x/notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json"
    "\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer {key}\r\n\r\n"
)


def exchange(harness: Harness, request: str) -> tuple[int, str, dict[str, object]]:
    """Send raw bytes; return status, media type and body of the only answer."""
    with socket.create_connection(("127.0.0.1", harness.port), timeout=20) as sock:
        sock.sendall(request.encode())
        sock.shutdown(socket.SHUT_WR)
        data = b""
        while part := sock.recv(65_536):
            data += part
    head, _, body = data.partition(b"\r\n\r\n")
    assert data.count(b"HTTP/1.1 ") == 1
    lines = head.decode().split("\r\n")
    headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}
    return int(lines[0].split()[1]), headers["content-type"], json.loads(body)


@pytest.mark.parametrize("body", ["zz\r\n{}\r\n0\r\n\r\n", "2\r\n{}XX0\r\n\r\n"])
def test_a_malformed_chunked_body_is_a_400(harness: Harness, body: str) -> None:
    harness.run_web()
    smuggled = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"  # gets no answer
    request = POST.format(key=harness.key) + body + smuggled
    status, media_type, _ = exchange(harness, request)
    assert (status, media_type) == (400, "application/problem+json")


FORGED = (
    "Host: forged.example",
    "X-Forwarded-Host: forged.example",
    "X-Forwarded-Proto: https",
    "X-Forwarded-For: 203.0.113.9",
    "Forwarded: host=forged.example;proto=https",
    "SCRIPT_NAME: /forged",
    "Script-Name: /forged",
)


def test_no_answer_repeats_what_a_client_says_about_the_server(
    harness: Harness,
) -> None:
    projector = harness.projector()
    projector.catch_up()
    projector.close()
    harness.run_web()
    for path in (
        "/v1/incidents.atom",
        "/v1/items/",
        "/v1/items",
        "/openapi.json",
        "/docs",
        "/",
    ):
        lines = (f"GET {path} HTTP/1.1", *FORGED, "Connection: close")
        head = "\r\n".join((*lines, f"Authorization: Bearer {harness.key}"))
        with socket.create_connection(("127.0.0.1", harness.port), timeout=20) as sock:
            sock.sendall(f"{head}\r\n\r\n".encode())
            data = b""
            while part := sock.recv(65_536):
                data += part
        assert b"forged" not in data, path
        assert data.startswith(b"HTTP/1.1 "), path
        assert b" 500 " not in data.split(b"\r\n")[0], path
