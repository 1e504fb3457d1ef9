"""API keys: shown once, kept as a digest, gone when revoked."""

from __future__ import annotations

import pytest
import redis

from incidentwire.web.keys import KEYS, NOTE_USE_S, REMEMBER_S, USED, Keys


def test_a_key_is_found_by_its_secret_and_kept_only_as_a_digest(
    connection: redis.Redis,
) -> None:
    keys = Keys(connection)
    secret = keys.create("desk", ["submit", "read"])
    found = keys.find(secret)
    assert found is not None
    assert (found.name, found.scopes) == ("desk", ("submit", "read"))
    kept = b" ".join(part for row in connection.hgetall(KEYS).items() for part in row)
    assert secret.encode() not in kept
    assert secret.removeprefix("iwk_").encode() not in kept


def test_admin_may_do_everything_and_others_only_their_scopes(
    connection: redis.Redis,
) -> None:
    keys = Keys(connection)
    admin = keys.find(keys.create("root", ["admin"]))
    reader = keys.find(keys.create("eyes", ["read"]))
    assert admin is not None
    assert reader is not None
    assert [admin.allows(s) for s in ("submit", "read", "curate", "admin")] == [
        True
    ] * 4
    assert [reader.allows(s) for s in ("submit", "read", "curate", "admin")] == [
        False,
        True,
        False,
        False,
    ]


def test_a_revoked_key_is_refused_once_it_is_forgotten(connection: redis.Redis) -> None:
    now = [100.0]
    keys = Keys(connection, clock=lambda: now[0])
    secret = keys.create("desk", ["read"])
    assert keys.find(secret) is not None
    assert keys.revoke("desk")
    assert not keys.revoke("desk")
    now[0] += REMEMBER_S + 0.1
    assert keys.find(secret) is None


def test_the_last_use_of_a_key_is_written_once_a_minute(
    connection: redis.Redis,
) -> None:
    now = [100.0]
    keys = Keys(connection, clock=lambda: now[0])
    secret = keys.create("desk", ["read"])
    assert keys.last_used() == {}
    for _ in range(3):
        assert keys.find(secret)
        connection.hset(USED, keys.list()[0].digest, 0)  # shows whether it is written
        now[0] += REMEMBER_S + 0.1
    assert set(keys.last_used().values()) == {"1970-01-01T00:00:00+00:00"}
    now[0] += NOTE_USE_S
    assert keys.find(secret)
    assert next(iter(keys.last_used().values())) > "2026"
    keys.revoke("desk")
    assert keys.last_used() == {}


def test_a_store_that_refuses_writes_stops_no_request(connection: redis.Redis) -> None:
    secret = Keys(connection).create("desk", ["read"])
    connection.set(USED, "a value of another type, so that HSET fails")
    assert Keys(connection).find(secret)


@pytest.mark.parametrize("scopes", [[], ["write"], ["read", "root"]])
def test_scopes_that_do_not_exist_are_refused_by_name(
    connection: redis.Redis, scopes: list[str]
) -> None:
    with pytest.raises(ValueError, match="submit, read, curate, admin"):
        Keys(connection).create("desk", scopes)


def test_names_are_taken_once(connection: redis.Redis) -> None:
    keys = Keys(connection)
    keys.create("desk", ["read"])
    with pytest.raises(ValueError, match="desk"):
        keys.create("desk", ["read"])
    assert [key.name for key in keys.list()] == ["desk"]


@pytest.mark.parametrize(
    "secret", ["", "iwk_", "x" * 10_000, "\ud800", "iwk_" + "a" * 43]
)
def test_what_is_no_key_is_not_found(connection: redis.Redis, secret: str) -> None:
    assert Keys(connection).find(secret) is None
