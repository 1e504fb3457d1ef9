"""Articles on several pages: which URL is a further page of which. Pure."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit

FIRST_PAGE = 1
PAGE_PARAMETERS = frozenset(
    {"page", "p", "pg", "paged", "pageno", "page_no", "pagenum", "seite", "pagina"}
)
_MARKED_PATH = re.compile(r"/(?:page|seite|pagina|p)[/_-]?(\d{1,3})(\.[a-z]{2,5})?$")
_NUMBERED_PATH = re.compile(r"[/_-](\d{1,3})(\.[a-z]{2,5})?$")


def continues(first: str, later: str) -> bool:
    """Return True if `later` names a further page of the article at `first`."""
    start = _numbered(first, _MARKED_PATH)
    if start is None:
        return False
    stem, number = start
    # A bare number after the path counts only beside the same path without one:
    # /archive/124 is the next article after /archive/123, not its second page.
    patterns = [_MARKED_PATH]
    if number == FIRST_PAGE:
        patterns.append(_NUMBERED_PATH)
    return any(
        found is not None and found[0] == stem and found[1] > number
        for found in (_numbered(later, pattern) for pattern in patterns)
    )


def _numbered(url: str, pattern: re.Pattern[str]) -> tuple[str, int] | None:
    """Return the URL without its page number, and the number; None for no URL."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, max_num_fields=100)
    except ValueError:
        return None
    number = FIRST_PAGE
    kept = []
    for name, value in pairs:
        if name.lower() in PAGE_PARAMETERS and _is_page_number(value):
            number = int(value)
        else:
            kept.append((name, value))
    path = parts.path.rstrip("/")
    match = pattern.search(path)
    if match and number == FIRST_PAGE:
        number = int(match[1])
        path = path[: match.start()] + (match[2] or "")
    host = parts.netloc.lower().removeprefix("www.")
    return f"{host}{path.rstrip('/')}?{urlencode(kept)}", number


def _is_page_number(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= 3
