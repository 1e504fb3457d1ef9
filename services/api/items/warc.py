"""Evidence as a WARC 1.1 file (ISO 28500:2017), one gzip member per record. Pure.

One revision gives one file, always the same bytes. Status line and headers are those
that the server sent. The payload digests are SHA-256 in hex like those in the log's
events, so that page, document and text can be compared with them.
"""

from __future__ import annotations

import io
import uuid
from datetime import UTC, datetime

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from incidentwire.archive import digest_of
from services.api.items.headers import StoredHeaders
from services.api.items.revisions import StoredRevision

CONFORMS_TO = (
    "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/"
)
# The body is stored decoded, so these do not describe it. As in other archives, they
# keep their values under new names.
NOT_OF_STORED_BODY = frozenset(
    {b"content-encoding", b"transfer-encoding", b"content-length"}
)
RENAMED = b"X-Archive-Orig-"

Page = tuple[bytes, StoredHeaders]


class _HeaderBlock(StatusAndHeaders):
    """A header block that warcio writes unchanged; its own class re-encodes bytes."""

    def __init__(self, block: bytes) -> None:
        super().__init__("200 OK", [], "HTTP/1.1")
        self.block = block

    def compute_headers_buffer(self, header_filter: object = None) -> None:
        self.headers_buff = self.block


def evidence(
    revision: StoredRevision, page: Page | None, document: bytes, text: str
) -> bytes:
    """Return the file: page as the server sent it (if stored), document, text.

    The document is JSON; evidence offsets refer to the text.
    """
    out = _Writer(revision)
    out.info()
    response = out.response(*page) if page else None
    about = {"WARC-Refers-To": response} if response else {}
    out.put(
        "metadata" if response else "resource",
        "document",
        document,
        "application/json",
        about,
    )
    out.put(
        "conversion" if response else "resource",
        "text",
        text.encode(),
        "text/plain; charset=utf-8",
        about,
    )
    return out.buffer.getvalue()


class _Writer:
    """Writes the records of one revision."""

    def __init__(self, revision: StoredRevision) -> None:
        self.revision = revision
        self.buffer = io.BytesIO()
        self.writer = WARCWriter(self.buffer, gzip=True, warc_version="1.1")
        self.uri = revision.url or f"urn:incidentwire:item:{revision.item}"
        moment = datetime.fromtimestamp(revision.time_ms / 1000, UTC)
        self.date = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def info(self) -> None:
        """Write the record that says what the file is."""
        fields = {
            "software": "Incidentwire",
            "format": "WARC File Format 1.1",
            "conformsTo": CONFORMS_TO,
            "isPartOf": self.revision.item,
            "description": "evidence of one revision of a news item: page, extracted document, text",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        headers = {"WARC-Filename": f"{self.revision.item}.warc.gz"}
        self._write(
            "warcinfo",
            "info",
            lines.encode(),
            "application/warc-fields",
            headers,
            uri="",
        )

    def response(self, body: bytes, headers: StoredHeaders) -> str:
        """Write the response as it was stored; return its record's id."""
        lines = [headers.status_line]
        for name, value in headers.fields:
            is_renamed = name.lower() in NOT_OF_STORED_BODY
            lines.append((RENAMED if is_renamed else b"") + name + b": " + value)
        lines.append(b"Content-Length: %d" % len(body))
        line = _HeaderBlock(b"\r\n".join(lines) + b"\r\n\r\n")
        media = "application/http; msgtype=response"
        return self._write(
            "response", "response", body, media, {}, uri=self.uri, http_headers=line
        )

    def put(
        self,
        kind: str,
        part: str,
        payload: bytes,
        media_type: str,
        headers: dict[str, str],
    ) -> None:
        """Write a record other than the response."""
        self._write(
            kind,
            part,
            payload,
            media_type,
            headers,
            uri=self.uri if headers else f"{self._urn}:{part}",
        )

    @property
    def _urn(self) -> str:
        return f"urn:incidentwire:item:{self.revision.item}"

    def _write(
        self,
        kind: str,
        part: str,
        payload: bytes,
        media_type: str,
        headers: dict[str, str],
        *,
        uri: str,
        http_headers: StatusAndHeaders | None = None,
    ) -> str:
        record_id = self._record_id(part)
        digest = (
            {}
            if kind == "warcinfo"
            else {"WARC-Payload-Digest": f"sha256:{digest_of(payload)}"}
        )
        record = self.writer.create_warc_record(
            uri,
            kind,
            payload=io.BytesIO(payload),
            length=len(payload),
            warc_content_type=media_type,
            warc_headers_dict={
                "WARC-Record-ID": record_id,
                "WARC-Date": self.date,
                **digest,
                **headers,
            },
            http_headers=http_headers or StatusAndHeaders("", [], ""),
        )
        self.writer.write_record(record)
        return record_id

    def _record_id(self, part: str) -> str:
        """Return an id that is the same for the same record of the same revision."""
        fetched = self.revision.fetched
        name = f"{self.revision.item}/{fetched.page_digest}/{fetched.document_digest}/{self.date}/{part}"
        return f"<{uuid.uuid5(uuid.NAMESPACE_URL, name).urn}>"
