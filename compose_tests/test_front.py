"""The TLS front: one address for both services, cookies that are Secure, streams at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from compose_tests.stack import (
    API,
    FRONT,
    compose,
    eventually,
    incidentwire,
    new_password,
    submit,
)
from tests.subscriber import Subscriber

ROOT_CERTIFICATE = "/data/caddy/pki/authorities/local/root.crt"
pytestmark = pytest.mark.timeout(1200)  # building the image is part of it


@pytest.fixture(autouse=True)
def trusted(
    stack: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trust the authority that the front makes for `localhost`."""
    file = tmp_path / "root.crt"
    compose("cp", f"front:{ROOT_CERTIFICATE}", str(file))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))


def test_one_address_leads_to_both_services(stack: dict[str, str]) -> None:
    page = {"url": "http://pages:8080/950"}
    answer = requests.post(
        f"{FRONT}/v1/submissions", json=page, headers=stack, timeout=30
    )
    assert answer.status_code == 202, answer.text
    for path in ("/v1/feeds", "/v1/items", "/v1/submissions/" + answer.json()["id"]):
        assert requests.get(f"{FRONT}{path}", headers=stack, timeout=30).ok, path


def test_an_event_passes_the_front_while_its_stream_is_silent(
    stack: dict[str, str],
) -> None:
    with Subscriber(f"{FRONT}/v1/events/stream", stack) as subscriber:
        eventually(lambda: bool(subscriber.events), "the history passes")
        connections = subscriber.connections
        [item_id] = submit(stack, range(960, 961))
        eventually(
            lambda: item_id in subscriber.of_type("item.classified"),
            "single events pass though nothing fills a buffer",
        )
        assert subscriber.connections == connections


def test_session_cookies_are_secure_behind_the_front_only(
    stack: dict[str, str],
) -> None:
    password = new_password()
    incidentwire("users", "add", "grace", "--role", "reader", "--password", password)
    form = {"name": "grace", "password": password}
    forged = {"X-Forwarded-Proto": "https"}
    for address, headers, is_secure in ((FRONT, {}, True), (API, forged, False)):
        answer = requests.post(
            f"{address}/sign-in",
            data=form,
            headers=headers,
            timeout=30,
            allow_redirects=False,
        )
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert ("Secure" in cookie) is is_secure, address
