"""Bulk submissions: one JSON object a line in, one result a line out, and a bad line spoils only itself."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from incidentwire.web.problems import FieldError, Problem
from services.ingest.submit import Submission, SubmissionOutcome

CHUNK = 500  # lines per transaction: one fsync for all of them
MAX_LINE_BYTES = 8_000_000  # a text of a million characters, escaped
IN_MEMORY_BYTES = 4_000_000  # larger bodies wait on disk

Read = Callable[[bytes], Submission]  # raises Problem
Submit = Callable[[Sequence[Submission]], list[SubmissionOutcome]]


@dataclass(frozen=True, kw_only=True)
class BulkLine:
    """One line of the body: what it asks for, or what is wrong with it."""

    number: int
    asked: Submission | Problem


def spool(stream: IO[bytes]) -> IO[bytes]:
    """The whole body first: a client that sends before it reads must not wait for us to read after we have sent."""
    body: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115  # closed by `results`
    shutil.copyfileobj(stream, body, 256 * 1024)
    body.seek(0)
    return body


def results(
    body: IO[bytes], read: Read, submit: Submit, max_items: int
) -> Iterator[str]:
    """One JSON line per line of the body, in order, a chunk at a time. Blank lines are passed over."""
    with body:
        chunk: list[BulkLine] = []
        for line in _lines(body, read, max_items):
            chunk.append(line)
            if len(chunk) == CHUNK:
                yield _answers(chunk, submit)
                chunk = []
        if chunk:
            yield _answers(chunk, submit)


def _lines(body: IO[bytes], read: Read, max_items: int) -> Iterator[BulkLine]:
    number = count = 0
    while raw := body.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n"):
            yield BulkLine(number=number, asked=_too_long())
            while (rest := body.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            continue
        if not raw.strip():
            continue
        count += 1
        if count > max_items:
            yield BulkLine(number=number, asked=_too_many(max_items))
            return
        yield BulkLine(number=number, asked=_read(raw, read))


def _read(raw: bytes, read: Read) -> Submission | Problem:
    try:
        return read(raw)
    except Problem as problem:
        return problem


def _answers(chunk: Sequence[BulkLine], submit: Submit) -> str:
    good = [line.asked for line in chunk if isinstance(line.asked, Submission)]
    try:
        outcomes: Iterator[SubmissionOutcome | Problem] = iter(
            submit(good) if good else []
        )
    except (
        Problem
    ) as problem:  # such as overload: these lines were not accepted, and say so
        outcomes = iter([problem] * len(good))
    rows = []
    for line in chunk:
        answer = line.asked if isinstance(line.asked, Problem) else next(outcomes)
        rows.append(
            json.dumps({"line": line.number, **_row(answer)}, ensure_ascii=False)
        )
    return "\n".join(rows) + "\n"


def _row(answer: SubmissionOutcome | Problem) -> dict[str, Any]:
    if isinstance(answer, Problem):
        return answer.body()
    return {"status": 200 if answer.known else 202, **accepted(answer)}


def accepted(outcome: SubmissionOutcome) -> dict[str, Any]:
    """The fields of AcceptedSchema."""
    return {
        "id": outcome.id,
        "position": outcome.position,
        "known": outcome.known,
        "receipt": f"/v1/submissions/{outcome.id}",
    }


def _too_long() -> Problem:
    message = f"the line is longer than {MAX_LINE_BYTES} bytes: shorten it"
    return Problem(
        status=413,
        slug="line-too-long",
        errors=[FieldError(field="(line)", message=message)],
    )


def _too_many(max_items: int) -> Problem:
    detail = f"more than {max_items} items in one body: this line and those behind it were not read, send them again"
    return Problem(status=413, slug="too-many-items", detail=detail)
