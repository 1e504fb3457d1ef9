"""Which URLs may be fetched, as far as it shows without a look-up. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from incidentwire.net import urls
from incidentwire.net.hosts import is_address
from incidentwire.net.ssrf import refusal_of_address, refusal_of_name

PORTS = frozenset({80, 443, 8080, 8443})


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a URL is not fetched: `refused_address` or `refused_url`, and a sentence."""

    reason: str
    detail: str


def is_listed(parts: urls.Parts, allowed_hosts: frozenset[str]) -> bool:
    """Return whether the settings allow the host, or host and port, although private."""
    names = {parts.host, parts.host.strip("[]"), f"{parts.host}:{parts.port}"}
    return not allowed_hosts.isdisjoint(names)


def refusal(parts: urls.Parts, allowed_hosts: frozenset[str]) -> Refusal | None:
    """Return why a URL may not be fetched, None if nothing shows so far."""
    if is_listed(parts, allowed_hosts):
        return None
    host = parts.host.strip("[]")
    check = refusal_of_address if is_address(parts.host) else refusal_of_name
    why = check(host)
    if why is not None:
        detail = f"{host} is not on the public internet: {why}"
        return Refusal(reason="refused_address", detail=detail)
    if parts.port not in PORTS:
        detail = f"port {parts.port} is not one of {sorted(PORTS)}: use one of these"
        return Refusal(reason="refused_url", detail=detail)
    return None
