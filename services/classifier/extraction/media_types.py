"""The media types that extraction reads.

The fetcher needs them too, and does not load the extraction itself.
"""

from __future__ import annotations

HTML = frozenset({"text/html", "application/xhtml+xml"})
PLAIN = frozenset({"text/plain", "text/markdown"})
PDF = frozenset({"application/pdf", "application/x-pdf"})
UNDECLARED = frozenset(
    {
        "",
        "application/octet-stream",
        "binary/octet-stream",
        "unknown/unknown",
        "text/xml",
        "application/xml",
    }
)
