"""Evidence as a WARC 1.1 file (ISO 28500:2017), one gzip member per record. Pure: one revision gives one file, always
the same bytes.

The payload digests are SHA-256 in hex, as the log's events have them, so that page, document and text can be compared
with what the log said at the time.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from incidentwire.archive import digest_of
from services.api.items.revisions import StoredRevision

CONFORMS_TO = (
    "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/"
)
# The body is kept decoded, so these no longer speak of it; as other archives do, they keep their values under new names
NOT_OF_THE_KEPT_BODY = frozenset(
    {"content-encoding", "transfer-encoding", "content-length"}
)
RENAMED = "X-Archive-Orig-"

Page = tuple[bytes, Sequence[tuple[str, str]]]  # body, headers


def evidence(
    revision: StoredRevision, page: Page | None, document: bytes, text: str
) -> bytes:
    """The file: what it is about; the page as the server sent it (where it is kept); the extracted document as JSON;
    the text to which evidence offsets refer."""
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
        self.revision, self.buffer = revision, io.BytesIO()
        self.writer = WARCWriter(self.buffer, gzip=True, warc_version="1.1")
        self.uri = revision.url or f"urn:incidentwire:item:{revision.item}"
        moment = datetime.fromtimestamp(revision.time_ms / 1000, UTC)
        self.date = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def info(self) -> None:
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

    def response(self, body: bytes, headers: Sequence[tuple[str, str]]) -> str:
        """The response as it was kept, and its record's id."""
        renamed = [
            (RENAMED + n if n.lower() in NOT_OF_THE_KEPT_BODY else n, _one_line(v))
            for n, v in headers
        ]
        status = self.revision.fetched.status or 200
        phrase = next((known.phrase for known in HTTPStatus if known == status), "")
        line = StatusAndHeaders(
            f"{status} {phrase}",
            [*renamed, ("Content-Length", str(len(body)))],
            "HTTP/1.1",
        )
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
        self, kind: str, part: str, payload: bytes, media_type: str, headers: dict[str, str], *, uri: str,
        http_headers: StatusAndHeaders | None = None,
    ) -> str:  # fmt: skip
        record_id = self._record_id(part)
        digest = (
            {}
            if kind == "warcinfo"
            else {"WARC-Payload-Digest": f"sha256:{digest_of(payload)}"}
        )
        record = self.writer.create_warc_record(
            uri, kind, payload=io.BytesIO(payload), length=len(payload), warc_content_type=media_type,
            warc_headers_dict={"WARC-Record-ID": record_id, "WARC-Date": self.date, **digest, **headers},
            http_headers=http_headers or StatusAndHeaders("", [], ""),
        )  # fmt: skip
        self.writer.write_record(record)
        return record_id

    def _record_id(self, part: str) -> str:
        """The same record of the same revision has the same id."""
        fetched = self.revision.fetched
        name = f"{self.revision.item}/{fetched.page_digest}/{fetched.document_digest}/{self.date}/{part}"
        return f"<{uuid.uuid5(uuid.NAMESPACE_URL, name).urn}>"


def _one_line(value: str) -> str:
    return " ".join(value.split("\n")).replace("\r", "")
