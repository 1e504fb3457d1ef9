"""The linker's checkpoint (incidentwire/log/checkpoint.py).

The body is a zstd stream of NumPy arrays in .npy format; the first one is UTF-8 JSON and
names the others. Two linkers started by mistake take turns by a lock on a file beside it,
which the system frees if its owner dies.
"""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import IO, cast

import numpy as np
import zstandard

from incidentwire.incidents.codec import DECODE_ERRORS
from incidentwire.log import checkpoint
from incidentwire.log.checkpoint import (
    CheckpointHeader,
    HashingWriter,
    InvalidCheckpoint,
)
from incidentwire.log.event_log import EventLog
from incidentwire.telemetry import event_line
from services.classifier.linking.linker_state import LinkerState

EVERY = 5_000  # events folded since the last one
# … or an eighth of the log, if more: all writing stays in proportion to the folding.
EVERY_SHARE = 8
LEVEL = 1  # measured at 100,000 incidents: level 3 saves 3 % at twice the time
NAME = "checkpoint"

logger = logging.getLogger(__name__)


class LinkerCheckpoint:
    """The checkpoint in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / NAME
        self.saved_at = 0  # position of what this process wrote or read last

    def load(self, log: EventLog) -> LinkerState | None:
        """Return the stored state if it fits this log and code.

        Otherwise log why and return None.
        """
        try:
            folded = read(self.path, log)
        except FileNotFoundError:
            logger.info(event_line("no checkpoint", path=self.path))
            return None
        except (InvalidCheckpoint, OSError) as error:
            logger.warning(event_line("checkpoint ignored", path=self.path, why=error))
            return None
        self.saved_at = folded.position
        return folded

    def is_due(self, position: int) -> bool:
        """Return whether enough was folded since the last checkpoint to write one."""
        return position - self.saved_at >= max(EVERY, position // EVERY_SHARE)

    def save(self, log: EventLog, folded: LinkerState) -> None:
        """Write a checkpoint if anything was folded since the last one.

        A failure is logged: the linker can do without a checkpoint.
        """
        if folded.position == self.saved_at:
            return
        # Also if it fails: a full disk is not to be asked after every event.
        self.saved_at = folded.position
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _alone(self.folder / f"{NAME}.lock"):
                header = CheckpointHeader.of(log, folded.position, code())
                size = write(self.path, header, folded)
        except (InvalidCheckpoint, OSError) as error:
            logger.warning(
                event_line("checkpoint not written", path=self.path, why=error)
            )
            return
        logger.info(
            event_line("checkpoint written", position=folded.position, bytes=size)
        )


def write(path: Path, header: CheckpointHeader, folded: LinkerState) -> int:
    """Replace the checkpoint; return its size in bytes. The caller holds the lock."""

    def body(out: HashingWriter) -> None:
        compressor = zstandard.ZstdCompressor(level=LEVEL)
        file = cast("IO[bytes]", out)
        with compressor.stream_writer(file, closefd=False) as packed:
            for array in folded.arrays():
                np.lib.format.write_array(packed, array, allow_pickle=False)

    return checkpoint.write(path, header, body)


def read(path: Path, log: EventLog) -> LinkerState:
    """Read the checkpoint at `path`.

    Raises OSError, and InvalidCheckpoint if it is damaged, of another log or of other
    code.
    """
    header, body = checkpoint.read(path)
    checkpoint.check(header, log, code())
    decompressor = zstandard.ZstdDecompressor()
    try:
        with decompressor.stream_reader(body) as stream, checkpoint.gc_paused():
            read_array = partial(np.lib.format.read_array, stream, allow_pickle=False)
            return LinkerState.of(read_array)
    except (*DECODE_ERRORS, IndexError, zstandard.ZstdError) as error:
        raise InvalidCheckpoint(f"it cannot be read: {error}") from error


@cache
def code() -> str:
    """Return the digest of all code on which the state rests."""
    here = Path(__file__).parent
    linking = sorted(here.glob("*.py"))
    linker = here.parent / "linker.py"
    return checkpoint.source_digest((*linking, linker, *checkpoint.INCIDENTS_CODE))


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold the lock; raise InvalidCheckpoint at once if another process holds it."""
    with lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidCheckpoint(
                "another linker is writing one. Run one linker only."
            ) from None
        yield
