"""Links that sign in once, asked of the app itself: no browser is needed."""

from __future__ import annotations

from urllib.parse import urlsplit

from incidentwire.web import sign_in_links
from incidentwire.web.keys import Keys
from tests.house import House


def make_link(house: House) -> str:
    keys = Keys(house.connection)
    keys.create("first", ["read", "curate"])
    key = next(key for key in keys.list() if key.name == "first")
    issuer = f"key:{key.digest}"
    return sign_in_links.create(house.connection, key.name, key.scopes, issuer)


def test_a_link_signs_in_once_and_ends_with_its_key(house: House) -> None:
    link = make_link(house)
    visitor = house.api_client()
    other = house.api_client()
    visitor.environ_base.pop("HTTP_AUTHORIZATION")
    assert visitor.head(link).status_code == 204  # scanners look at links first
    prefetch = visitor.get(link, headers={"Sec-Purpose": "prefetch;prerender"})
    assert prefetch.status_code == 204
    answer = visitor.get(link)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/"
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert "first" in visitor.get("/keys").text
    again = other.get(link)
    assert again.status_code == 403
    assert "incidentwire users link" in again.text
    Keys(house.connection).revoke("first")
    assert "/sign-in" in visitor.get("/keys").headers["Location"]


def test_the_store_holds_no_token_and_forgets_a_link(house: House) -> None:
    token = urlsplit(make_link(house)).query.removeprefix("token=")
    (key,) = house.connection.keys(f"{sign_in_links.LINKS}*")
    assert token.encode() not in key + house.connection.get(key)
    assert 0 < house.connection.ttl(key) <= sign_in_links.VALID_S
    guess = house.api_client().get(f"{sign_in_links.PATH}?token={'x' * 5_000}")
    assert guess.status_code == 403
