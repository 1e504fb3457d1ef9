"""Which addresses may be dialled: both ends of every refused network, and their neighbours."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidentwire.net.ssrf import (
    REFUSED_NETWORKS,
    refusal_of_address,
    refusal_of_name,
)


@pytest.mark.parametrize(("network", "why"), REFUSED_NETWORKS)
def test_both_ends_of_a_refused_network_are_refused(network: str, why: str) -> None:
    ends = ipaddress.ip_network(network)
    reasons = {refusal_of_address(ends[0]), refusal_of_address(ends[-1])}
    assert why in reasons
    assert None not in reasons


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.101.0",
        "203.0.114.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450:4001:80b::200e",
        "2001:200::1",
        "2001:4860::8888",
        "2003::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ],
)
def test_the_public_internet_may_be_dialled(address: str) -> None:
    assert refusal_of_address(address) is None


@pytest.mark.parametrize(
    "address",
    ["", "localhost", "127.1", "fe80::1%eth0", "2606:4700::1%1", "1.2.3", "1.2.3.4/8"],
)
def test_what_is_not_one_plain_address_is_refused(address: str) -> None:
    assert refusal_of_address(address) is not None


@given(st.ip_addresses(v=4))
def test_an_embedded_ipv4_address_is_judged_like_itself(
    ip: ipaddress.IPv4Address,
) -> None:
    for prefix in ("::ffff:", "64:ff9b::"):
        assert refusal_of_address(f"{prefix}{ip}") == refusal_of_address(ip)
    assert refusal_of_address(f"::{ip}") is not None


@given(st.ip_addresses())
def test_nothing_that_python_knows_as_special_is_let_through(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    special = (
        ip.is_loopback
        or ip.is_link_local
        or ip.is_multicast
        or ip.is_unspecified
        or ip.is_reserved
    )
    embeds = ip.version == 6 and any(
        ip in ipaddress.ip_network(network)
        for network in ("::ffff:0:0/96", "64:ff9b::/96")
    )
    if special and not embeds:
        assert refusal_of_address(ip) is not None


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "api.localhost",
        "nas.local",
        "redis",
        "metadata.google.internal",
        "router.home.arpa",
        "wiki.corp",
    ],
)
def test_a_name_of_the_local_network_is_refused(name: str) -> None:
    assert refusal_of_name(name) is not None


@pytest.mark.parametrize(
    "name",
    [
        "news.example",
        "localhost.example",
        "notlocal.example",
        "mylocal.news",
        "a.homes",
    ],
)
def test_a_public_name_may_be_looked_up(name: str) -> None:
    assert refusal_of_name(name) is None
