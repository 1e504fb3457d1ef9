"""The checkpoint of incidents (incidentwire/log/checkpoint.py) beside the read model.

The projector writes it, web processes read it too.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from threading import Thread

import redis

from incidentwire.log import checkpoint
from incidentwire.log.checkpoint import CheckpointHeader, InvalidCheckpoint
from incidentwire.log.event_log import PAGE, EventLog
from incidentwire.telemetry import event_line
from services.api.read_model.checkpoint_codec import InvalidCheckpointBody, pack, unpack
from services.api.read_model.incident_state import IncidentProjection
from services.api.read_model.reader import Executor, run_here

NAME = "incidents.snapshot"
EVERY = 5_000  # events folded since the last one
EVERY_SHARE = 20  # … or a 20th of the log, whichever is more: so all writing together stays in proportion to the log
HERE = Path(__file__).parent
MADE_BY = (
    HERE / "incident_state.py",
    HERE / "checkpoint_codec.py",
    *checkpoint.INCIDENTS_CODE,
)

logger = logging.getLogger(__name__)


class IncidentCheckpoint:
    """The snapshot at a path. One process writes (the projector holds a lock), any number read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.saved_at = 0  # position of what this process wrote or read last
        self._writing: Thread | None = None

    def load(
        self, log: EventLog, most: int, run: Executor = run_here
    ) -> IncidentProjection | None:
        """What the snapshot holds, if it fits this log and this code and goes no further than `most`; else None, and a
        log line that says why. `run` executes what takes long."""
        try:
            found, packed = checkpoint.read(self.path)
            if found["position"] > most:
                return None  # of use later, or for another question
            checkpoint.check(found, log, code())
            happenings: IncidentProjection = run(_unpacked, (packed,))
        except FileNotFoundError:
            logger.info(event_line("no snapshot of incidents", path=self.path))
            return None
        except (InvalidCheckpoint, InvalidCheckpointBody, OSError) as error:
            logger.warning(
                event_line("snapshot of incidents ignored", path=self.path, why=error)
            )
            return None
        self.saved_at = happenings.position
        logger.info(
            event_line("snapshot of incidents read", position=happenings.position)
        )
        return happenings

    def save_when_due(
        self, log: EventLog, log_id: str, happenings: IncidentProjection
    ) -> None:
        """Write beside what goes on, where much was folded since the last one. `log_id` is of the log that was folded.
        Copying takes no time worth mention, since all values are immutable."""
        is_due = self._since(happenings) >= max(
            EVERY, happenings.position // EVERY_SHARE
        )
        if is_due and not (self._writing and self._writing.is_alive()):
            self._start(log, log_id, happenings)

    def save(self, log: EventLog, log_id: str, happenings: IncidentProjection) -> None:
        """Write where anything was folded since the last one, and return when that is done."""
        self.wait()
        if self._since(happenings):
            self._start(log, log_id, happenings)
            self.wait()

    def wait(self) -> None:
        """Return when nothing is being written."""
        if self._writing is not None:
            self._writing.join()

    def _since(self, happenings: IncidentProjection) -> int:
        """Events since the last one; all of them where that was of another log, which was longer."""
        return happenings.position - (
            self.saved_at if self.saved_at <= happenings.position else 0
        )

    def _start(
        self, log: EventLog, log_id: str, happenings: IncidentProjection
    ) -> None:
        self.saved_at = (
            happenings.position
        )  # also where it fails: a full disk is not to be asked after every event
        try:
            mark = CheckpointHeader.of(log, happenings.position, code())
            if mark.log != log_id:
                raise InvalidCheckpoint("the log is another one by now")
        except (InvalidCheckpoint, redis.exceptions.RedisError) as error:
            logger.warning(
                event_line(
                    "snapshot of incidents not written", path=self.path, why=error
                )
            )
            return
        self._writing = Thread(
            target=_write,
            args=(self.path, mark, happenings.copy()),
            name="snapshot",
            daemon=True,
        )
        self._writing.start()


def _unpacked(packed: memoryview) -> IncidentProjection:
    with checkpoint.gc_paused():
        return unpack(packed)


def _write(path: Path, mark: CheckpointHeader, happenings: IncidentProjection) -> None:
    """In a thread: what goes wrong is logged, no more."""
    try:
        size = checkpoint.write(path, mark, lambda out: out.write(pack(happenings)))
    except OSError as error:
        logger.warning(
            event_line("snapshot of incidents not written", path=path, why=error)
        )
        return
    logger.info(
        event_line("snapshot of incidents written", position=mark.position, bytes=size)
    )


@cache
def code() -> str:
    return checkpoint.source_digest(MADE_BY)


def fold_until(happenings: IncidentProjection, log: EventLog, position: int) -> None:
    """Fold what comes up to this position, which must be in the log, and nothing behind it."""
    while happenings.position < position:
        batch = log.after(
            happenings.position, min(PAGE, position - happenings.position)
        )
        if not batch:
            raise ValueError(
                f"the log ends at {happenings.position}, before {position}"
            )
        happenings.fold(batch)
    happenings.clear()
