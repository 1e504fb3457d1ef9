"""Bulk submissions: one JSON object a line in, one result a line out.

A bad line spoils only itself.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from redis.exceptions import RedisError

from incidentwire.web.problems import FieldError, Problem
from services.ingest.errors import IngestError
from services.ingest.large_bodies import LARGE_BYTES, SLOWLY, TimeSlice, TimeSlices
from services.ingest.schemas import accepted, accepted_status
from services.ingest.submission import Submission, SubmissionOutcome

CHUNK = 500  # lines per transaction: one fsync for all of them
MAX_LINE_BYTES = 6_500_000  # a text of a million characters, escaped
MAX_BLANK_LINES = 1_000  # passed over; more of them are not an NDJSON body
CHUNK_BYTES = 4_000_000  # and bytes, but for the last line
IN_MEMORY_BYTES = 500_000  # larger bodies wait on disk
COPY_BYTES = 64 * 1024
_ENCODER = json.JSONEncoder(ensure_ascii=False)  # json.dumps builds one for each row

Read = Callable[[bytes], Submission]  # raises Problem
Submit = Callable[[Sequence[Submission]], list[SubmissionOutcome]]
Refusal = Callable[[Exception], Problem]  # an error of `Submit` as a problem


@dataclass(frozen=True, kw_only=True)
class BulkLine:
    """One line of the body: a submission, or what is wrong with it. `size` in bytes."""

    number: int
    content: Submission | Problem
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class Body:
    """A whole request body, in memory or on disk. `size` in bytes."""

    file: IO[bytes]
    size: int

    def read(self) -> bytes:
        """Return all of it, and drop it."""
        with self.file as file:
            return file.read()


@dataclass(frozen=True, kw_only=True)
class BulkHandler:
    """How lines are read and submitted. A chunk is worked on in one of the `time_slices`."""

    read: Read
    submit: Submit
    refusal: Refusal
    max_items: int
    time_slices: TimeSlices

    def results(self, body: Body) -> Iterator[str]:
        """Return JSON lines, one per line of the body that is not blank, in order.

        The first chunk is submitted before this returns: if nothing can be accepted,
        its error is raised. Later errors become the results of the lines concerned.
        """
        lines = self._lines(body.file)
        with self.time_slices.take(body.size) as time_slice:
            first = _chunk(lines, time_slice)
            rows = _rows(first, self._submit(first))
        return itertools.chain([rows], self._rest(body, lines))

    def _rest(self, body: Body, lines: Iterator[BulkLine | None]) -> Iterator[str]:
        with body.file:
            while True:
                with self.time_slices.take(body.size) as time_slice:
                    chunk = _chunk(lines, time_slice)
                    rows = _rows(chunk, self._try_submit(chunk))
                if not rows:
                    return
                yield rows  # without a time slice: the client may read slowly

    def _try_submit(
        self, chunk: Sequence[BulkLine]
    ) -> Iterator[SubmissionOutcome | Problem]:
        try:
            return self._submit(chunk)
        except (IngestError, RedisError, OSError) as error:
            # The answer has begun: it can only be reported line by line.
            return itertools.repeat(self.refusal(error))

    def _submit(
        self, chunk: Sequence[BulkLine]
    ) -> Iterator[SubmissionOutcome | Problem]:
        good = [line.content for line in chunk if isinstance(line.content, Submission)]
        return iter(self.submit(good) if good else [])

    def _lines(self, file: IO[bytes]) -> Iterator[BulkLine | None]:
        """Yield the lines, and None now and then while a long one is passed over."""
        items = blank = 0
        for number in itertools.count(1):
            raw = file.readline(MAX_LINE_BYTES + 1)
            if not raw:
                return
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
            if len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n"):
                yield from _skip_line(file)
                yield BulkLine(number=number, content=_too_long())
            else:
                yield BulkLine(number=number, content=self._read(raw), size=len(raw))

    def _read(self, raw: bytes) -> Submission | Problem:
        try:
            return self.read(raw)
        except Problem as problem:
            return problem


def spool(stream: IO[bytes], time_slice: TimeSlice) -> Body:
    """Return the whole body, read to its end.

    A client that sends before it reads must not wait for us to read after sending.
    """
    file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115  # the caller closes it
    size = 0
    try:
        while data := stream.read(COPY_BYTES):
            size += file.write(data)
            time_slice.pause(SLOWLY if size > LARGE_BYTES else 0)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return Body(file=file, size=size)


def _skip_line(file: IO[bytes]) -> Iterator[None]:
    while rest := file.readline(COPY_BYTES):
        yield None
        if rest.endswith(b"\n"):
            return


def _chunk(lines: Iterator[BulkLine | None], time_slice: TimeSlice) -> list[BulkLine]:
    """Return the lines of the next transaction, with pauses; none at the end."""
    chunk: list[BulkLine] = []
    size = 0
    for line in lines:
        is_refused = line is None or isinstance(line.content, Problem)
        time_slice.pause(SLOWLY if is_refused else 0)
        if line is None:
            continue
        chunk.append(line)
        size += line.size
        if len(chunk) == CHUNK or size > CHUNK_BYTES:
            break
    return chunk


def _rows(
    chunk: Sequence[BulkLine], outcomes: Iterator[SubmissionOutcome | Problem]
) -> str:
    rows = []
    for line in chunk:
        content = line.content
        result = content if isinstance(content, Problem) else next(outcomes)
        row = {"line": line.number, **_row(result)}
        rows.append(_ENCODER.encode(row) + "\n")
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
