"""Logs as `event key=value` lines with ids and units, and the trace that a request hands on."""

from __future__ import annotations

import logging
import re
import sys

TRACEPARENT = re.compile(r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")
PLAIN = re.compile(r"^[\w.:/@#+,-]+$")


def event_line(event: str, **fields: object) -> str:
    """`item fetched item_id=i_… bytes=512`; what has spaces or quotes is quoted, line breaks never pass."""
    return " ".join(
        [
            event,
            *(
                f"{key}={_value(value)}"
                for key, value in fields.items()
                if value is not None
            ),
        ]
    )


def _value(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return (
        text
        if PLAIN.match(text)
        else '"' + text.encode("unicode_escape").decode().replace('"', '\\"') + '"'
    )


def configure_logging(level: str, process: str) -> None:
    """Log to stderr, one line per event, naming the process. Called once by each process' main function."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter(f"%(asctime)s %(levelname)s {process} %(message)s")
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("rq.worker", "urllib3", "trafilatura", "htmldate", "pypdf"):
        logging.getLogger(chatty).setLevel(
            max(logging.WARNING, logging.getLevelName(level))
        )


def traceparent_from(header: str | None) -> str:
    """Return the caller's W3C traceparent if it is well formed, else ""."""
    return header if header and TRACEPARENT.match(header) else ""
