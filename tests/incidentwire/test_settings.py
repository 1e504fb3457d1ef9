"""Settings: typed, complete, and refused by name where they make no sense."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from incidentwire.settings import Settings, SettingsError, from_env, to_env


def test_what_is_written_is_read_back() -> None:
    settings = Settings(
        redis_url="redis://elsewhere:1/2",
        data_dir=Path("/srv/iw"),
        public_read=True,
        allowed_hosts=frozenset({"a.test:80", "b.test"}),
        retry_delays_s=(1.0, 2.5),
        max_in_flight=7,
    )
    assert from_env(to_env(settings)) == settings
    assert from_env({}) == Settings()
    assert to_env(Settings()) == {}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MAX_IN_FLIGHT", "many", "int"),
        ("MAX_IN_FLIGHT", "0", "at least 1"),
        ("FETCH_TIMEOUT_S", "-1", "at least"),
        ("MAX_STORE_SHARE", "1.5", "at most"),
        ("PUBLIC_READ", "maybe", "bool"),
        ("REDIS_URL", "http://x", "redis://"),
        ("REDIS_URL", "redis://x:y", "port"),
        ("LOG_LEVEL", "LOUD", "DEBUG"),
        ("REDIS_URI", "redis://x", "not a setting"),
    ],
)
def test_nonsense_is_refused_by_name(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=f"INCIDENTWIRE_{name}.*{message}"):
        from_env({f"INCIDENTWIRE_{name}": value})


def test_other_programs_variables_are_none_of_ours() -> None:
    assert from_env({"HTTP_PROXY": "http://x", "PATH": "/bin"}) == Settings()


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hush\n")
    named = {"INCIDENTWIRE_SMTP_PASSWORD_FILE": str(file)}
    settings = from_env(named)
    assert settings.smtp_password == "hush"
    assert from_env(named | to_env(settings)) == settings
    with pytest.raises(SettingsError, match="set one of them"):
        from_env(named | {"INCIDENTWIRE_SMTP_PASSWORD": "other"})
    assert from_env(named | {"INCIDENTWIRE_SMTP_PASSWORD": ""}) == settings
    empty = {"INCIDENTWIRE_SMTP_PASSWORD_FILE": ""}
    assert from_env(empty | {"INCIDENTWIRE_SMTP_PASSWORD": "hush"}) == settings
    file.write_text("\n")
    with pytest.raises(SettingsError, match="empty"):
        from_env(named)
    with pytest.raises(SettingsError, match="No such file"):
        from_env({"INCIDENTWIRE_KEY_FILE": str(tmp_path / "none")})
    with pytest.raises(SettingsError, match="is not a setting"):
        from_env({"INCIDENTWIRE_DATA_DIR_FILE": str(file)})


def test_the_stores_password_may_stand_in_a_file_beside_its_address(
    tmp_path: Path,
) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss:word/\n")
    named = {
        "INCIDENTWIRE_REDIS_URL": "redis://app@store:6379/0",
        "INCIDENTWIRE_REDIS_PASSWORD_FILE": str(file),
    }
    settings = from_env(named)
    options = redis.Redis.from_url(settings.redis_url).connection_pool.connection_kwargs
    assert options["username"] == "app"
    assert options["password"] == "p@ss:word/"
    assert options["host"] == "store"
    assert from_env(to_env(settings)) == settings
    with pytest.raises(SettingsError, match="set one of them"):
        from_env(named | {"INCIDENTWIRE_REDIS_URL": "redis://app:other@store:6379/0"})
