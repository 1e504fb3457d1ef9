"""Read the stored head of a response: the status line and headers as sent. Pure."""

from __future__ import annotations

import json


def header_pairs(stored: bytes) -> list[tuple[str, str]]:
    """Return the header fields in the order sent; a field sent twice is there twice.

    Bytes are decoded as Latin-1, so that each is kept. Folded lines are joined. Older
    revisions hold a JSON list of pairs instead of the head.
    """
    if stored.startswith(b"["):
        return [(str(name), str(value)) for name, value in json.loads(stored)]
    pairs: list[tuple[str, str]] = []
    for line in stored.decode("latin-1").replace("\r\n", "\n").split("\n")[1:]:
        if line[:1] in (" ", "\t") and pairs:
            name, value = pairs[-1]
            pairs[-1] = (name, f"{value} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if colon:
            pairs.append((name.strip(), value.strip()))
    return pairs
