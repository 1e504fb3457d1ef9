"""What one answer of a server is worth as a page."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from incidentwire.net.client import HttpClient
from services.classifier.fetching.fetch import fetch
from services.classifier.fetching.result import FetchedPage, FetchFailure
from tests.loopback import Asked, Reply, answering

BODY = b"The insurer Nordhavn told 40,000 customers that all could read their claims."


@pytest.mark.parametrize(
    ("part", "is_page"),
    [
        (f"bytes 0-{len(BODY) - 1}/{len(BODY)}", True),
        (f"bytes 0-{len(BODY) - 1}/99999", False),
        (f"bytes 9-{len(BODY) + 8}/{len(BODY) + 9}", False),
        ("bytes 0-5/*", False),
        ("", False),
    ],
)
def test_a_part_that_nobody_asked_for_is_no_page(part: str, is_page: bool) -> None:
    with (
        answering(lambda _: (206, {"Content-Range": part}, BODY)) as port,
        HttpClient(user_agent="test", allowed_hosts=frozenset({"127.0.0.1"})) as client,
    ):
        found = fetch(client, f"http://127.0.0.1:{port}/", lambda: datetime.now(UTC))
    assert isinstance(found, FetchedPage) is is_page


@pytest.mark.parametrize(
    ("content_type", "media_type"),
    [
        ("Text/HTML; charset=utf-8", "text/html"),
        (" application/xhtml+xml ;q=1", "application/xhtml+xml"),
        ("the patients are listed below", ""),
        ("text/" + "a" * 200, ""),
        ("text/html, text/plain", ""),
        ("", ""),
    ],
)
def test_only_a_media_type_of_a_server_is_passed_on(
    content_type: str, media_type: str
) -> None:
    with (
        answering(lambda _: (200, {"Content-Type": content_type}, BODY)) as port,
        HttpClient(user_agent="test", allowed_hosts=frozenset({"127.0.0.1"})) as client,
    ):
        found = fetch(client, f"http://127.0.0.1:{port}/", lambda: datetime.now(UTC))
    assert isinstance(found, FetchedPage)
    assert found.media_type == media_type


def test_a_choice_of_pages_is_no_page_and_leads_nowhere() -> None:
    """Status 300 and the header `Refresh` are not followed: docs/limits.md."""
    other = {"Location": "/other", "Refresh": "0; url=/other"}
    asked: list[str] = []

    def reply(request: Asked) -> Reply:
        asked.append(request.path)
        return (300 if request.path == "/choice" else 200), other, BODY

    with (
        answering(reply) as port,
        HttpClient(user_agent="test", allowed_hosts=frozenset({"127.0.0.1"})) as client,
    ):
        site = f"http://127.0.0.1:{port}"
        choice = fetch(client, f"{site}/choice", lambda: datetime.now(UTC))
        page = fetch(client, f"{site}/page", lambda: datetime.now(UTC))
    assert isinstance(choice, FetchFailure)
    assert (choice.reason, choice.retryable) == ("http_status", False)
    assert isinstance(page, FetchedPage)
    assert page.body == BODY
    assert asked == ["/choice", "/page"]
