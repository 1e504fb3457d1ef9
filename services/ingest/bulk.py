"""Bulk submissions: one JSON object a line in, one result a line out.

A bad line spoils only itself.
"""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from redis.exceptions import RedisError

from incidentwire.web.problems import FieldError, Problem
from services.ingest.errors import IngestError
from services.ingest.schemas import accepted, accepted_status
from services.ingest.submission import Submission, SubmissionOutcome

CHUNK = 500  # lines per transaction: one fsync for all of them
MAX_LINE_BYTES = 6_500_000  # a text of a million characters, escaped
MAX_BLANK_LINES = 1_000  # passed over; more of them are not an NDJSON body
IN_MEMORY_BYTES = 4_000_000  # larger bodies wait on disk
COPY_BYTES = 256 * 1024

Read = Callable[[bytes], Submission]  # raises Problem
Submit = Callable[[Sequence[Submission]], list[SubmissionOutcome]]
Refusal = Callable[[Exception], Problem]  # an error of `Submit` as a problem


@dataclass(frozen=True, kw_only=True)
class BulkLine:
    """One line of the body: a submission, or what is wrong with it."""

    number: int
    content: Submission | Problem


@dataclass(frozen=True, kw_only=True)
class BulkHandler:
    """How lines are read and submitted. `pause` lets other requests run."""

    read: Read
    submit: Submit
    refusal: Refusal
    max_items: int
    pause: Callable[[], None]

    def results(self, body: IO[bytes]) -> Iterator[str]:
        """Return JSON lines, one per line of the body that is not blank, in order.

        The first chunk is submitted before this returns: if nothing can be accepted,
        its error is raised. Later errors become the results of the lines concerned.
        """
        chunks = _chunks(self._lines(body))
        first = next(chunks, [])
        rows = _rows(first, self._submit(first))
        return itertools.chain([rows], self._rest(body, chunks))

    def _rest(self, body: IO[bytes], chunks: Iterator[list[BulkLine]]) -> Iterator[str]:
        with body:
            for chunk in chunks:
                outcomes: Iterator[SubmissionOutcome | Problem]
                try:
                    outcomes = self._submit(chunk)
                except (IngestError, RedisError, OSError) as error:
                    # The answer has begun: it can only be reported line by line.
                    outcomes = itertools.repeat(self.refusal(error))
                yield _rows(chunk, outcomes)

    def _submit(
        self, chunk: Sequence[BulkLine]
    ) -> Iterator[SubmissionOutcome | Problem]:
        good = [line.content for line in chunk if isinstance(line.content, Submission)]
        return iter(self.submit(good) if good else [])

    def _lines(self, body: IO[bytes]) -> Iterator[BulkLine]:
        items = blank = 0
        for number in itertools.count(1):
            raw = body.readline(MAX_LINE_BYTES + 1)
            if not raw:
                return
            self.pause()
            if not raw.strip():
                blank += 1
                if blank > MAX_BLANK_LINES:
                    yield BulkLine(number=number, content=_too_many_blank())
                    return
                continue
            items += 1
            if items > self.max_items:
                yield BulkLine(number=number, content=_too_many(self.max_items))
                return
            yield BulkLine(number=number, content=self._read(raw, body))

    def _read(self, raw: bytes, body: IO[bytes]) -> Submission | Problem:
        if len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n"):
            self._skip_line(body)
            return _too_long()
        try:
            return self.read(raw)
        except Problem as problem:
            return problem

    def _skip_line(self, body: IO[bytes]) -> None:
        while rest := body.readline(MAX_LINE_BYTES):
            self.pause()
            if rest.endswith(b"\n"):
                return


def spool(stream: IO[bytes]) -> IO[bytes]:
    """Return the whole body, read to its end.

    A client that sends before it reads must not wait for us to read after sending.
    """
    body: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115  # the caller closes it
    try:
        shutil.copyfileobj(stream, body, COPY_BYTES)
    except BaseException:
        body.close()
        raise
    body.seek(0)
    return body


def _chunks(lines: Iterator[BulkLine]) -> Iterator[list[BulkLine]]:
    while chunk := list(itertools.islice(lines, CHUNK)):
        yield chunk


def _rows(
    chunk: Sequence[BulkLine], outcomes: Iterator[SubmissionOutcome | Problem]
) -> str:
    rows = []
    for line in chunk:
        content = line.content
        result = content if isinstance(content, Problem) else next(outcomes)
        row = {"line": line.number, **_row(result)}
        rows.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(rows)


def _row(result: SubmissionOutcome | Problem) -> dict[str, Any]:
    if isinstance(result, Problem):
        return result.body()
    return {"status": accepted_status(result), **accepted(result)}


def _too_long() -> Problem:
    message = f"The line is longer than {MAX_LINE_BYTES} bytes. Shorten the text."
    return Problem(
        status=413,
        slug="line-too-long",
        errors=[FieldError(field="(line)", message=message)],
    )


def _too_many(max_items: int) -> Problem:
    detail = (
        f"More than {max_items} items in one body. "
        "This line and the following were not read. Send them again in another body."
    )
    return Problem(status=413, slug="too-many-items", detail=detail)


def _too_many_blank() -> Problem:
    detail = (
        f"More than {MAX_BLANK_LINES} blank lines. "
        "This line and the following were not read. Send one item per line."
    )
    return Problem(status=413, slug="too-many-blank-lines", detail=detail)
