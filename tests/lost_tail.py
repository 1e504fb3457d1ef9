"""A log that loses its tail, as a truncated append-only file does."""

from __future__ import annotations

import redis

from incidentwire.log.event_log import IN_FLIGHT, STREAM, SUBJECT


def cut(connection: redis.Redis, position: int) -> None:
    """Take away the log's tail after a position, as a truncated append-only file does."""
    entries = connection.xrange(STREAM)
    subjects: dict[str, list[str]] = {}
    for stream_id, fields in entries:
        kept = subjects.setdefault(fields[b"s"].decode(), [])
        number = stream_id.decode().partition("-")[0]
        if int(number) <= position:
            kept.append(number)
    connection.delete(STREAM, IN_FLIGHT)
    for stream_id, fields in entries[:position]:
        connection.xadd(STREAM, fields, id=stream_id)
    for subject, numbers in subjects.items():
        connection.delete(SUBJECT + subject)
        if numbers:
            held = {"n": len(numbers), "p": ",".join(numbers)}
            connection.hset(SUBJECT + subject, mapping=held)


def regrow(connection: redis.Redis, position: int, subjects: list[str]) -> None:
    """Replace the log's tail after a position, in one moment for every reader.

    The new events are those of the lost positions, but of these subjects.
    """
    entries = connection.xrange(STREAM)
    with connection.pipeline(transaction=True) as pipe:
        pipe.delete(STREAM)
        for stream_id, fields in entries[:position]:
            pipe.xadd(STREAM, fields, id=stream_id)
        for number, subject in enumerate(subjects, start=position + 1):
            _, fields = entries[min(number, len(entries)) - 1]
            pipe.xadd(STREAM, {**fields, b"s": subject.encode()}, id=f"{number}-0")
        pipe.execute()
