"""Signing in over HTTP, links that do it once included. Last: attempts stay counted."""

from __future__ import annotations

import hashlib
from urllib.parse import quote, urlsplit

import requests

from incidentwire.web import sign_in_links
from incidentwire.web.keys import Keys
from incidentwire.web.sessions import (
    COOKIE,
    IDLE_S,
    MAX_ATTEMPTS,
    SESSIONS,
    SessionStore,
)
from tests.api.dashboard.conftest import Member, Site


def make_link(pages: Site, name: str) -> str:
    keys = Keys(pages.harness.connection)
    keys.create(name, ["read", "curate"])
    key = next(key for key in keys.list() if key.name == name)
    issuer = f"key:{key.digest}"
    return sign_in_links.create(pages.harness.connection, name, key.scopes, issuer)


def test_a_link_signs_in_once_and_ends_with_its_key(pages: Site) -> None:
    link = pages.base + make_link(pages, "first")
    visitor = requests.Session()
    assert visitor.head(link, timeout=30).status_code == 204  # scanners look first
    headers = {"Sec-Purpose": "prefetch;prerender"}
    assert visitor.get(link, headers=headers, timeout=30).status_code == 204
    answer = visitor.get(link, timeout=30, allow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/"
    assert {"HttpOnly", "SameSite=Lax"} <= {*answer.headers["Set-Cookie"].split("; ")}
    assert answer.headers["Cache-Control"] == "no-store"
    review = f"{pages.base}/review"
    assert visitor.get(review, timeout=30).url == review
    again = requests.get(link, timeout=30)
    assert again.status_code == 403
    assert "incidentwire users link" in again.text
    Keys(pages.harness.connection).revoke("first")
    assert "/sign-in" in visitor.get(review, timeout=30).url


def test_the_store_holds_no_token_and_forgets_a_link(pages: Site) -> None:
    token = urlsplit(make_link(pages, "second")).query.removeprefix("token=")
    connection = pages.harness.connection
    (key,) = connection.keys(f"{sign_in_links.LINKS}*")
    assert token.encode() not in key + connection.get(key)
    assert 0 < connection.ttl(key) <= sign_in_links.VALID_S
    guess = f"{pages.base}{sign_in_links.PATH}?token={'x' * 200}"
    assert requests.get(guess, timeout=30).status_code == 403


def test_reading_pages_prolongs_a_session_and_writes_rarely(pages: Site) -> None:
    reader = Member(pages, "reader")
    connection = pages.harness.connection
    key = SESSIONS + hashlib.sha256(reader.cookies[COOKIE].encode()).hexdigest()
    connection.expire(key, IDLE_S - 300)
    reader.see("/incidents")
    assert connection.ttl(key) <= IDLE_S - 300
    connection.expire(key, 300)
    reader.see("/incidents")
    assert connection.ttl(key) > 300


def test_a_form_sent_after_the_session_ended_keeps_what_was_written(
    pages: Site,
) -> None:
    curator = Member(pages, "curator")
    path = f"/incidents/{pages.ids['voice']}"
    SessionStore(pages.harness.connection).end(curator.cookies[COOKIE])
    curator.headers["Referer"] = pages.base + path
    answer = curator.fill_in(f"{path}/notes", note="Seen by <two> people", version=1)
    assert answer.status_code == 401
    assert "Seen by &lt;two&gt; people" in answer.text
    assert f"/sign-in?next={quote(path, safe='')}" in answer.text
    stale = Member(pages, "curator")
    stale.csrf = "of another tab"
    kept = stale.fill_in(f"{path}/notes", note="Still here", version=1)
    assert kept.status_code == 403
    assert "Still here" in kept.text


def test_nobody_is_led_to_another_host_after_signing_in(pages: Site) -> None:
    for target in ("//evil.example.org", "https://evil.example.org", "/\\evil.example"):
        answer = requests.post(
            f"{pages.base}/sign-in",
            data={"key": pages.harness.key, "next": target},
            allow_redirects=False,
            timeout=30,
        )
        assert answer.headers["Location"] == "/"


def test_attempts_to_sign_in_are_limited(pages: Site) -> None:
    statuses = [
        requests.post(
            f"{pages.base}/sign-in",
            data={"name": "nobody", "password": "x" * 12},
            timeout=30,
        ).status_code
        for _ in range(MAX_ATTEMPTS + 1)
    ]
    assert statuses == [403] * MAX_ATTEMPTS + [429]
