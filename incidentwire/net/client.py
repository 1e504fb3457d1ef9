"""The HTTP client for strangers' addresses: every outbound request goes through it.

A URL is checked before anything is looked up (`check`), its addresses before any is
dialled (transport.py), each redirect like the first URL, and the body while it comes.
An HTTP status is no error here: the caller decides.
"""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urljoin

import requests
import requests.cookies
import requests.utils
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict

from incidentwire import __version__
from incidentwire.net import urls
from incidentwire.net.body import raw_pieces, read_limited
from incidentwire.net.decompress import ACCEPTED, EncodingError
from incidentwire.net.destinations import is_listed, refusal
from incidentwire.net.request import (
    OutboundError,
    RequestContext,
    RequestLimits,
    Resolve,
    request_context,
)
from incidentwire.net.transport import Adapter
from incidentwire.settings import Settings

__all__ = [
    "RETRYABLE_STATUSES",
    "HttpClient",
    "OutboundError",
    "RequestLimits",
    "Response",
    "retry_after_s",
]

# Redirects through sign-in and consent pages are longer than any page's own address.
MAX_FETCHED_URL_CHARS = 8_000
# Statuses after which the same request may succeed; 52x: a CDN without its origin.
RETRYABLE_STATUSES = frozenset(
    {408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524}
)
REDIRECTS = frozenset({301, 302, 303, 307, 308})
REDIRECTED = "the host that it redirects to"  # in messages, instead of its name
PERMANENT = frozenset({301, 308})
POOLS = 64  # hosts kept connected
CONNECTIONS_PER_POOL = 10  # idle connections to each
# Headers that may follow a redirect to another host; others (keys, cookies) may not.
HEADERS_FOR_ANY_HOST = frozenset(
    {"accept", "accept-language", "if-modified-since", "if-none-match", "user-agent"}
)
_UNANSWERED = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


@dataclass(frozen=True, kw_only=True)
class Response:
    """The answer of a server.

    `url` is the final address, `body` is decoded, `head` the status line and headers as
    sent. `redirects` are the URLs that redirected; `moved` tells that each of them did
    so permanently (301, 308).
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    redirects: tuple[str, ...] = ()
    moved: bool = False
    head: bytes = b""


class HttpClient:
    """Fetches and posts, safely. One per process: it keeps connections, and threads may
    share it.

    `user_agent` names the project and a contact. `allowed_hosts` names test hosts
    ("host", "host:port", an IP address) that may be dialled although private, at any
    port unless one is named; nothing else loosens the rules. `ca_file` (PEM) is trusted
    beside the public authorities. At most `large_bodies` bodies over LARGE_BYTES are in
    memory at once; a further one waits, within its deadline.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        allowed_hosts: frozenset[str] = frozenset(),
        limits: RequestLimits | None = None,
        resolve: Resolve | None = None,
        ca_file: str | None = None,
        large_bodies: int | None = None,
    ) -> None:
        self._large_bodies = (
            threading.BoundedSemaphore(large_bodies) if large_bodies else None
        )
        self._user_agent = user_agent
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self._limits = limits or RequestLimits()
        self._resolve = resolve
        self._tls = ssl.create_default_context(
            cafile=requests.utils.DEFAULT_CA_BUNDLE_PATH
        )
        # The default from Python 3.13 is stricter than browsers.
        self._tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if ca_file is not None:
            self._tls.load_verify_locations(cafile=ca_file)
        self._pool = Adapter(pool_connections=POOLS, pool_maxsize=CONNECTIONS_PER_POOL)

    @classmethod
    def of(cls, settings: Settings, *, large_bodies: int | None = None) -> HttpClient:
        """Build it with the limits and test hosts of the settings."""
        limits = RequestLimits(
            connect_s=settings.connect_timeout_s,
            read_s=settings.read_timeout_s,
            total_s=settings.fetch_timeout_s,
            max_bytes=settings.max_page_bytes,
        )
        agent = f"Incidentwire/{__version__} (+{settings.contact})"
        return cls(
            user_agent=agent,
            allowed_hosts=settings.allowed_hosts,
            limits=limits,
            large_bodies=large_bodies,
        )

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(
        self, *_: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    def check(self, url: str) -> None:
        """Check what can be checked without DNS: scheme, port, user name, private
        address, local name.

        Raises OutboundError with the reason refused_url or refused_address.
        """
        self._checked(url)

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        limits: RequestLimits | None = None,
        *,
        before_host: Callable[[str], None] | None = None,
    ) -> Response:
        """Fetch `url`, following redirects. Raises OutboundError.

        `before_host` is called with each new host before the first request to it; what
        it raises is not caught.
        """
        call = self._call(limits)
        parts = self._checked(url)
        sent = CaseInsensitiveDict(dict(headers or {}))
        # For this chain only: some sites redirect until a cookie comes back.
        jar = requests.cookies.RequestsCookieJar()
        passed: list[tuple[str, int]] = []  # URLs that redirected, with their statuses
        while True:
            if before_host is not None:
                before_host(parts.host.strip("[]"))
            request = self._request("GET", parts, sent, jar)
            with (
                _unnamed(parts.host.strip("[]") if passed else ""),
                self._send(call, parts, request) as response,
            ):
                location = _location(response)
                if location is None:
                    return self._answer(call, parts, response, passed)
                requests.cookies.extract_cookies_to_jar(jar, request, response.raw)  # type: ignore[no-untyped-call]
            passed.append((parts.url, response.status_code))
            if len(passed) > call.limits.max_redirects:
                raise OutboundError(
                    "too_many_redirects",
                    f"more than {call.limits.max_redirects} redirects",
                )
            target = self._checked(_redirect_target(parts.url, location))
            if not _same_origin(target, parts):
                sent = CaseInsensitiveDict(
                    {k: v for k, v in sent.items() if k.lower() in HEADERS_FOR_ANY_HOST}
                )
            parts = target

    def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        limits: RequestLimits | None = None,
    ) -> Response:
        """Post `body` to `url`. A redirect is not followed. Raises OutboundError."""
        call = self._call(limits)
        parts = self._checked(url)
        request = self._request("POST", parts, headers or {}, body=body)
        with self._send(call, parts, request) as response:
            return self._answer(call, parts, response, [])

    def delete(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        limits: RequestLimits | None = None,
    ) -> Response:
        """Send DELETE to `url`. A redirect is not followed. Raises OutboundError."""
        call = self._call(limits)
        parts = self._checked(url)
        request = self._request("DELETE", parts, headers or {})
        with self._send(call, parts, request) as response:
            return self._answer(call, parts, response, [])

    def _call(self, limits: RequestLimits | None) -> RequestContext:
        # Not looked up at import: gevent may replace socket.getaddrinfo later.
        return RequestContext(
            limits=limits or self._limits,
            tls=self._tls,
            resolve=self._resolve or socket.getaddrinfo,
        )

    def _checked(self, url: str) -> urls.Parts:
        try:
            parts = urls.split(url, max_chars=MAX_FETCHED_URL_CHARS)
        except urls.UrlError as error:
            raise OutboundError("refused_url", str(error)) from error
        refused = refusal(parts, self._allowed_hosts)
        if refused is not None:
            raise OutboundError(refused.reason, refused.detail)
        return parts

    def _request(
        self,
        method: str,
        parts: urls.Parts,
        headers: Mapping[str, str],
        jar: requests.cookies.RequestsCookieJar | None = None,
        body: bytes | None = None,
    ) -> requests.PreparedRequest:
        merged = CaseInsensitiveDict({"Accept": "*/*"} | dict(headers))
        merged.update({"User-Agent": self._user_agent, "Accept-Encoding": ACCEPTED})
        try:
            return requests.Request(
                method, parts.url, headers=merged, cookies=jar, data=body
            ).prepare()
        except requests.exceptions.InvalidURL as error:
            raise OutboundError("refused_url", str(error)) from error

    def _send(
        self,
        call: RequestContext,
        parts: urls.Parts,
        request: requests.PreparedRequest,
        *,
        again: bool = False,
    ) -> requests.Response:
        """Send, and read the headers but not the body. A stale pooled connection gets a
        second try."""
        call.host = parts.host.strip("[]")
        call.port = parts.port
        call.private_ok = is_listed(parts, self._allowed_hosts)
        call.dialled = 0
        try:
            with request_context(call):
                return self._pool.send(request, stream=True, proxies={})
        except _UNANSWERED as error:
            if call.dialled or again or request.method != "GET":
                raise OutboundError(
                    "bad_response", f"no HTTP answer from {call.host}"
                ) from error
        return self._send(call, parts, request, again=True)

    def _answer(
        self,
        call: RequestContext,
        parts: urls.Parts,
        response: requests.Response,
        passed: list[tuple[str, int]],
    ) -> Response:
        try:
            with request_context(call), self._large_body(call) as admit:
                body = read_limited(
                    raw_pieces(response),
                    call.limits.max_bytes,
                    response.headers,
                    admit,
                )
        except _UNANSWERED as error:
            raise OutboundError(
                "bad_response", f"the answer of {call.host} broke off"
            ) from error
        except EncodingError as error:
            raise OutboundError("bad_encoding", str(error)) from error
        return Response(
            url=parts.url,
            status=response.status_code,
            headers=response.headers,
            body=body,
            redirects=tuple(url for url, _ in passed),
            moved=bool(passed) and all(status in PERMANENT for _, status in passed),
            head=call.head,
        )

    @contextlib.contextmanager
    def _large_body(self, call: RequestContext) -> Iterator[Callable[[], None]]:
        """Yield a function that is called once if the body turns out to be large: it
        waits for a place in memory, which is held until the body has been read."""
        places = self._large_bodies
        held = False

        def admit() -> None:
            nonlocal held
            if places is not None and not held:
                wait_s = call.seconds_left(call.limits.total_s)
                if not places.acquire(timeout=wait_s):
                    raise OutboundError("timeout", "too many large pages at once")
                held = True

        try:
            yield admit
        finally:
            if held and places is not None:
                places.release()


def retry_after_s(
    value: str | None, *, now: datetime.datetime, at_most_s: float = 86_400.0
) -> float | None:
    """Return a Retry-After header, seconds or an HTTP date, as seconds from `now`
    (aware), between 0 and `at_most_s`; None if it is missing or senseless."""
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]+", text):
        return min(float(text), at_most_s)
    try:
        date = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:  # "-0000" in the header: UTC by RFC 5322
        date = date.replace(tzinfo=datetime.UTC)
    return min(max((date - now).total_seconds(), 0.0), at_most_s)


def _same_origin(one: urls.Parts, other: urls.Parts) -> bool:
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


@contextmanager
def _unnamed(host: str) -> Iterator[None]:
    """Take the host that a redirect named out of an error: it may be any words."""
    try:
        yield
    except OutboundError as error:
        if host:
            error.detail = error.detail.replace(host, REDIRECTED)
        raise


def _location(response: requests.Response) -> str | None:
    """Return the target of a redirect, None for another response.

    Raises OutboundError for several targets: requests would join them to one address.
    """
    if response.status_code not in REDIRECTS:
        return None
    targets = set(response.raw.headers.getlist("location"))
    if len(targets) > 1:
        raise OutboundError("bad_response", "a redirect leads to several addresses")
    return next(iter(targets), None)


def _redirect_target(base: str, location: str) -> str:
    """Join a Location header (UTF-8 read as latin-1) to `base`; encode its spaces."""
    with contextlib.suppress(UnicodeError):
        location = location.encode("latin-1").decode("utf-8")
    try:
        return urljoin(base, location.strip().replace(" ", "%20"))
    except ValueError as error:
        raise OutboundError(
            "refused_url", "a redirect leads to something that is no URL"
        ) from error
