"""Settings: read once from the environment, typed and validated.

docs/settings.md is generated from this module.
"""

from __future__ import annotations

import dataclasses
import os
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

PREFIX = "INCIDENTWIRE_"
FILE = "_file"  # ends the name of a variable that names the file of a secret
SECRETS = frozenset(
    {
        "redis_url",
        "redis_password",
        "fingerprint_key",
        "key",
        "opinion_key",
        "secrets_key",
        "smtp_password",
    }
)
TRUTH = {
    "true": True,
    "1": True,
    "yes": True,
    "false": False,
    "0": False,
    "no": False,
    "": False,
}


class SettingsError(ValueError):
    """An invalid setting; the message names the variable and the remedy."""


def _setting(
    default: Any, doc: str, *, least: float | None = None, most: float | None = None
) -> Any:
    return field(default=default, metadata={"doc": doc, "least": least, "most": most})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every process reads the same settings; each field is the environment variable `INCIDENTWIRE_<FIELD>`."""

    redis_url: str = _setting(
        "redis://127.0.0.1:6379/0",
        "the store of log and queue, user and password included",
    )
    redis_password: str = _setting(
        "", "password of the store's user, if redis_url names the user alone"
    )
    data_dir: Path = _setting(Path("data"), "folder of the archive and the read model")
    archive_url: str = _setting(
        "",
        "archive elsewhere: an fsspec URL such as s3://bucket/path; empty: data_dir/archive",
    )
    min_free_bytes: int = _setting(
        1_000_000_000,
        "free space on the disk of data_dir, below which the system page is red",
        least=0,
    )
    fingerprint_key: str = _setting(
        "",
        "secret that keys the fingerprints of mentions; empty: one is made once and kept in the store",
    )

    ingest_url: str = _setting(
        "http://127.0.0.1:8001",
        "where the ingest service is reached, for the command line",
    )
    api_url: str = _setting(
        "http://127.0.0.1:8000",
        "where the API is reached, for links and the command line",
    )
    key: str = _setting("", "API key that the command line sends")
    public_read: bool = _setting(False, "answer reading requests without a key")
    max_body_bytes: int = _setting(
        6_500_000,  # a text of a million characters, escaped
        "largest JSON body",
        least=1000,
    )
    requests_per_minute: int = _setting(
        6_000, "submitting requests of one key; 0: no limit", least=0
    )
    items_per_minute: int = _setting(
        60_000, "items that one key may submit; 0: no limit", least=0
    )
    prompt_items_per_minute: int = _setting(
        600,
        "single submissions of one key that are worked on before bulk ones; 0: all",
        least=0,
    )
    body_timeout_s: float = _setting(
        120.0, "whole time for a request body to arrive", least=0.1
    )
    max_bulk_bytes: int = _setting(100_000_000, "largest NDJSON body", least=1000)
    max_bulk_items: int = _setting(10_000, "items in one NDJSON body", least=1)
    max_in_flight: int = _setting(
        1_000_000, "items in flight past which submissions get 503", least=1
    )
    max_store_share: float = _setting(
        0.8,
        "share of the store's maxmemory past which submissions get 503",
        least=0.1,
        most=0.99,
    )

    contact: str = _setting(
        "https://example.org/incidentwire",
        "contact address in the User-Agent of every fetch",
    )
    allowed_hosts: frozenset[str] = _setting(
        frozenset(),
        "test hosts (host or host:port, comma-separated) that may be dialled although private",
    )
    connect_timeout_s: float = _setting(5.0, "time to connect", least=0.1)
    read_timeout_s: float = _setting(10.0, "longest silence of a server", least=0.1)
    fetch_timeout_s: float = _setting(
        30.0, "whole fetch of one page, redirects included", least=0.1
    )
    max_page_bytes: int = _setting(
        10_000_000, "largest page after content decoding", least=1000
    )
    retry_delays_s: tuple[float, ...] = _setting(
        (30.0, 120.0, 600.0, 3600.0),
        "waits before each further attempt of a fetch, comma-separated",
    )
    feed_retry_delays_s: tuple[float, ...] = _setting(
        (300.0, 600.0, 1200.0, 2400.0, 4800.0, 9600.0, 19200.0, 38400.0, 86400.0),
        "waits after failed polls of a feed in a row, comma-separated; the last one "
        "repeats",
    )
    max_retry_after_s: float = _setting(
        3600.0, "longest Retry-After that is honoured", least=1
    )
    host_concurrency: int = _setting(
        2, "requests to one host at once, over all workers and feeds", least=1
    )
    host_pause_s: float = _setting(
        0.5, "pause between two requests to one host", least=0
    )
    fetch_threads: int = _setting(
        256, "fetches that one fetcher has under way at once", least=1
    )
    batch_items: int = _setting(
        50, "items in one job of a bulk submission", least=1, most=1000
    )

    opinion_url: str = _setting(
        "",
        "chat completions address of an OpenAI-compatible endpoint, asked about what the model is unsure of",
    )
    opinion_model: str = _setting("", "the model to ask there")
    opinion_key: str = _setting("", "the key to send there")
    opinion_timeout_s: float = _setting(
        20.0, "whole time for one second opinion", least=0.1
    )
    opinion_budget_per_day: int = _setting(
        200, "second opinions asked for per day (UTC)", least=0
    )

    heartbeat_s: float = _setting(
        15.0, "silence of a stream after which a checkpoint is sent", least=0.1
    )  # proxies cut at 60 s
    max_streams: int = _setting(10_000, "open event streams per process", least=1)
    max_streams_per_key: int = _setting(
        1_000, "open event streams of one key per process", least=1
    )
    cors_origins: frozenset[str] = _setting(
        frozenset(),
        "origins (https://host, comma-separated) whose scripts may call the services; "
        "*: all; empty: none",
    )
    trusted_proxies: frozenset[str] = _setting(
        frozenset(),
        "addresses of reverse proxies (comma-separated) whose X-Forwarded-Proto and "
        "SCRIPT_NAME are believed; empty: none",
    )
    page_retention_days: float = _setting(
        30.0, "days until the page of an item without label is deleted", least=0
    )
    text_retention_days: float = _setting(
        365.0, "days until the text of an item without label is deleted", least=0
    )
    secrets_key: str = _setting(
        "",
        "key that encrypts webhook secrets at rest; empty: one is made once in data_dir",
    )
    smtp_host: str = _setting(
        "", "mail server for alerts and digests; empty: no e-mail"
    )
    smtp_port: int = _setting(587, "port of the mail server", least=1, most=65535)
    smtp_security: str = _setting(
        "starttls",
        "starttls, tls or none: how the connection to the mail server is secured",
    )
    smtp_user: str = _setting("", "user at the mail server; empty: no login")
    smtp_password: str = _setting("", "password at the mail server")
    mail_from: str = _setting(
        "incidentwire@localhost.localdomain", "sender address of alerts and digests"
    )
    max_alerts_per_day: int = _setting(
        100,
        "mails a day past which alerts at once are refused, or come hourly",
        least=1,
    )

    max_subscriptions_per_key: int = _setting(
        1_000, "subscriptions and consumer groups of one key", least=1
    )

    heartbeat_file: str = _setting(
        "", "file that a looping process touches, for health checks; empty: none"
    )
    log_level: str = _setting("INFO", "DEBUG, INFO, WARNING or ERROR")

    def __post_init__(self) -> None:
        for spec in dataclasses.fields(self):
            _check(spec, getattr(self, spec.name))
        if self.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise SettingsError(
                f"{PREFIX}LOG_LEVEL is {self.log_level!r}: use DEBUG, INFO, WARNING or ERROR"
            )
        if self.opinion_url and not self.opinion_model:
            raise SettingsError(
                f"{PREFIX}OPINION_URL is set: {PREFIX}OPINION_MODEL has to name the model to ask"
            )
        if self.smtp_security not in ("starttls", "tls", "none"):
            raise SettingsError(f"{PREFIX}SMTP_SECURITY must be starttls, tls or none")
        if not self.redis_url.startswith(("redis://", "rediss://", "unix://")):
            raise SettingsError(
                f"{PREFIX}REDIS_URL must begin with redis://, rediss:// or unix://"
            )
        try:
            urlsplit(self.redis_url).port  # noqa: B018  # read to check it
        except ValueError:
            raise SettingsError(f"{PREFIX}REDIS_URL has no usable port") from None
        if self.redis_password:
            url = _with_password(self.redis_url, self.redis_password)
            object.__setattr__(self, "redis_url", url)

    @property
    def archive(self) -> str:
        """Return archive_url, or the folder in data_dir."""
        return self.archive_url or str(self.data_dir.absolute() / "archive")

    @property
    def subscriptions(self) -> Path:
        """The SQLite file of subscriptions and their delivery ledger."""
        return self.data_dir.absolute() / "subscriptions" / "subscriptions.sqlite"

    @property
    def read_model(self) -> Path:
        """Return the path of the read model, a link to its SQLite file."""
        return self.data_dir.absolute() / "read_model" / "read_model.sqlite"


def from_env(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the INCIDENTWIRE_* variables.

    A secret may stand in a file: INCIDENTWIRE_<SECRET>_FILE names it. Of the two
    variables, one may be empty.

    Raises SettingsError for an invalid value, and for a variable that does not exist: a
    misspelt name must not silently leave the default.
    """
    environ = os.environ if environ is None else environ
    hints = typing.get_type_hints(Settings)
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if name.startswith(PREFIX):
            key = name.removeprefix(PREFIX).lower()
            is_file = key.endswith(FILE) and key.removesuffix(FILE) in SECRETS
            if not text and (is_file or f"{name}{FILE.upper()}" in environ):
                continue  # compose passes names that are not set as empty ones
            if is_file:
                key = key.removesuffix(FILE)
                text = _secret(name, text)
            if key not in hints:
                raise SettingsError(
                    f"{name} is not a setting of Incidentwire. See docs/settings.md."
                )
            if values.get(key, text) != text and key in SECRETS:
                plain = PREFIX + key.upper()
                raise SettingsError(
                    f"{plain} and {plain}{FILE.upper()} differ: set one of them."
                )
            values[key] = _parse(name, text, hints[key])
    return Settings(**values)


def _with_password(url: str, password: str) -> str:
    """Return the URL with the password of its user. Raises SettingsError if it has another."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    name, _, present = user.partition(":")
    if present and unquote(present) != password:
        raise SettingsError(
            f"{PREFIX}REDIS_URL has a password other than {PREFIX}REDIS_PASSWORD:"
            " set one of them."
        )
    return parts._replace(netloc=f"{name}:{quote(password, safe='')}@{host}").geturl()


def _secret(name: str, path: str) -> str:
    """Return the secret in a file, without white space around it. Raises SettingsError."""
    try:
        secret = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise SettingsError(
            f"{name} is {path!r}, which cannot be read: {why}"
        ) from None
    if not secret:
        raise SettingsError(
            f"{name} is {path!r}, which is empty: write the secret there"
        )
    return secret


def to_env(settings: Settings) -> dict[str, str]:
    """Return the variables that give a child process these settings, defaults omitted."""
    environ = {}
    for spec in dataclasses.fields(settings):
        value = getattr(settings, spec.name)
        if value != spec.default:
            parts = sorted(value) if isinstance(value, frozenset) else value
            environ[PREFIX + spec.name.upper()] = (
                ",".join(map(str, parts))
                if isinstance(parts, list | tuple)
                else str(value)
            )
    return environ


def _parse(name: str, text: str, hint: Any) -> Any:
    try:
        if hint is bool:
            return TRUTH[text.lower()]
        if hint == frozenset[str]:
            return frozenset(part.strip() for part in text.split(",") if part.strip())
        if hint == tuple[float, ...]:
            return tuple(float(part) for part in text.split(",") if part.strip())
        return hint(text)
    except (ValueError, KeyError):
        wanted = getattr(hint, "__name__", str(hint))
        raise SettingsError(
            f"{name} is {text!r}: a value of type {wanted} is needed"
        ) from None


def _check(spec: dataclasses.Field[Any], value: Any) -> None:
    least = spec.metadata["least"]
    most = spec.metadata["most"]
    name = PREFIX + spec.name.upper()
    if least is not None and value < least:
        raise SettingsError(f"{name} is {value}: at least {least:g} is needed")
    if most is not None and value > most:
        raise SettingsError(f"{name} is {value}: at most {most:g} makes sense")
