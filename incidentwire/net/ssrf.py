"""The addresses and names that a stranger's URL may lead to: the public internet. Pure.

The table is our own because the answers of `ipaddress.is_global` changed between Python
releases (CVE-2024-4032). Sources: the IANA IPv4 and IPv6 Special-Purpose Address
Registries, RFC 6890, and the manuals of cloud providers.
"""

from __future__ import annotations

import functools
import ipaddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

REFUSED_NETWORKS = (
    ("0.0.0.0/8", "unspecified"),
    ("10.0.0.0/8", "private"),
    (
        "100.64.0.0/10",
        "carrier-grade NAT",
    ),  # and 100.100.100.200, the metadata of Alibaba Cloud
    ("127.0.0.0/8", "loopback"),
    (
        "168.63.129.16/32",
        "cloud metadata",
    ),  # Azure's wire server, a public address in every virtual machine
    (
        "169.254.0.0/16",
        "link-local",
    ),  # and 169.254.169.254, the metadata of nearly every cloud
    ("172.16.0.0/12", "private"),
    (
        "192.0.0.0/24",
        "reserved",
    ),  # IETF protocol assignments, and 192.0.0.192, the metadata of Oracle Cloud
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "reserved"),  # 6to4 relays, deprecated by RFC 7526
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),  # and the broadcast address
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::/96", "IPv4-compatible"),  # deprecated by RFC 4291
    ("64:ff9b:1::/48", "local-use NAT64"),  # RFC 8215: wherever the local network says
    (
        "2001::/23",
        "reserved",
    ),  # IETF protocol assignments: Teredo, benchmarking, ORCHID …
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),  # carries an IPv4 address, through relays that are gone
    ("3fff::/20", "documentation"),  # RFC 9637
    ("fc00::/7", "private"),  # and fd00:ec2::254, the metadata of AWS
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
)
# IPv6 prefixes that reach the IPv4 address in their last 32 bits: judged by that address.
EMBEDDING_NETWORKS = (
    "::ffff:0:0/96",
    "64:ff9b::/96",
)  # IPv4-mapped; NAT64 by RFC 6052, how IPv6-only hosts reach IPv4
GLOBAL_UNICAST_V6 = "2000::/3"  # all that IANA has given out; the rest is reserved

# Names that only a local resolver answers: RFC 6761, RFC 6762 appendix G, RFC 8375, ICANN's .internal.
REFUSED_SUFFIXES = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "home.arpa",
)
REFUSED_NAMES = frozenset(
    {"metadata.tencentyun.com", "metadata.packet.net", "metadata.platformequinix.com"}
)


def refusal_of_address(address: str | IPAddress) -> str | None:
    """Return why an IP address may not be dialled ("loopback" …), None if it may."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "not an address"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return "link-local"
        if any(ip in network for network in _networks(EMBEDDING_NETWORKS)):
            ip = ipaddress.IPv4Address(ip.packed[-4:])
    networks = _networks(tuple(network for network, _ in REFUSED_NETWORKS))
    for network, (_, why) in zip(networks, REFUSED_NETWORKS, strict=True):
        if ip.version == network.version and ip in network:
            return why
    if ip.version == 6 and not any(
        ip in network for network in _networks((GLOBAL_UNICAST_V6,))
    ):
        return "reserved"
    return None


def refusal_of_name(host: str) -> str | None:
    """Return why a host name (lower-case ASCII, no trailing dot) may not be looked up,
    None if it may."""
    if host in REFUSED_NAMES:
        return "cloud metadata"
    if "." not in host:
        return "a name without a dot, which only local networks resolve"
    if any(host.endswith("." + suffix) for suffix in REFUSED_SUFFIXES):
        return "a name that only local networks resolve"
    return None


@functools.cache
def _networks(
    texts: tuple[str, ...],
) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)
