"""A document: the text of one revision of an item, one JSON object in the archive."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StoredDocument:
    """Title, byline and text of one revision.

    Evidence offsets count the code points of `text`. `published` is an ISO 8601 date, date
    and time, or year and month; `language` is an ISO 639-1 code.
    """

    title: str = ""
    text: str = ""
    author: str | None = None
    published: str | None = None
    language: str | None = None
    site: str | None = None
    section: str | None = None

    @property
    def text_digest(self) -> str:
        """Return the SHA-256, in hex, of the UTF-8 text alone: evidence refers to it."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def to_bytes(self) -> bytes:
        """Return canonical JSON: equal documents have equal bytes and digests."""
        present = {
            key: value
            for key, value in dataclasses.asdict(self).items()
            if value not in (None, "")
        }
        return json.dumps(
            present, ensure_ascii=False, sort_keys=True, separators=(",", ":")
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> StoredDocument:
        """Read the JSON; unknown fields are ignored. Raises ValueError."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(
            **{key: value for key, value in json.loads(data).items() if key in known}
        )
