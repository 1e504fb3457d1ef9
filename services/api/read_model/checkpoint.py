"""The checkpoint of incidents beside the read model.

The projector writes it; web processes read it too. See incidentwire/log/checkpoint.py.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from threading import Thread

import redis

from incidentwire.executor import Executor, run_here
from incidentwire.log import checkpoint
from incidentwire.log.checkpoint import CheckpointHeader, InvalidCheckpoint
from incidentwire.log.event_log import PAGE, EventLog
from incidentwire.telemetry import event_line
from services.api.read_model.checkpoint_codec import pack, unpack
from services.api.read_model.incident_state import IncidentProjection

NAME = "incidents.checkpoint"
EVERY = 5_000  # events folded since the last one …
EVERY_SHARE = 20  # … or this part of the log, if more: all writing stays in proportion
HERE = Path(__file__).parent
MADE_BY = (
    HERE / "incident_state.py",
    HERE / "checkpoint_codec.py",
    *checkpoint.INCIDENTS_CODE,
)

logger = logging.getLogger(__name__)


class IncidentCheckpoint:
    """The checkpoint at a path. One process writes (the projector), any number read.

    `saved_at` is the position of the one that this process wrote or read last.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.saved_at = 0
        self._writing: Thread | None = None

    def load(
        self, log: EventLog, limit: int, run: Executor = run_here
    ) -> IncidentProjection | None:
        """Return the incidents, None if the checkpoint does not fit log, code or limit.

        `limit` is the highest position wanted; `run` executes what takes long. A log line
        says why the checkpoint was ignored.
        """
        try:
            header, packed = checkpoint.read(self.path)
            if header["position"] > limit:
                return None  # of use later, or for another question
            checkpoint.check(header, log, code())
            incidents: IncidentProjection = run(_unpacked, (packed,))
        except FileNotFoundError:
            logger.info(event_line("no checkpoint of incidents", path=self.path))
            return None
        except (InvalidCheckpoint, OSError) as error:
            logger.warning(
                event_line("checkpoint of incidents ignored", path=self.path, why=error)
            )
            return None
        self.saved_at = incidents.position
        logger.info(
            event_line("checkpoint of incidents read", position=incidents.position)
        )
        return incidents

    def save_when_due(
        self, log: EventLog, log_id: str, incidents: IncidentProjection
    ) -> None:
        """Write in a thread if much was folded since the last one.

        `log_id` is of the log that was folded. Copying takes next to no time, because all
        values are immutable.
        """
        due = max(EVERY, incidents.position // EVERY_SHARE)
        is_writing = self._writing is not None and self._writing.is_alive()
        if self._since(incidents) >= due and not is_writing:
            self._start(log, log_id, incidents)

    def save(self, log: EventLog, log_id: str, incidents: IncidentProjection) -> None:
        """Write if anything was folded since the last one, and return once it is done."""
        self.wait()
        if self._since(incidents):
            self._start(log, log_id, incidents)
            self.wait()

    def wait(self) -> None:
        """Return once nothing is being written."""
        if self._writing is not None:
            self._writing.join()

    def _since(self, incidents: IncidentProjection) -> int:
        """Return the events since the last one; all if that was of a longer log."""
        if self.saved_at > incidents.position:
            return incidents.position
        return incidents.position - self.saved_at

    def _start(self, log: EventLog, log_id: str, incidents: IncidentProjection) -> None:
        # also if it fails: a full disk must not be tried after every event
        self.saved_at = incidents.position
        try:
            header = CheckpointHeader.of(log, incidents.position, code())
            if header.log != log_id:
                raise InvalidCheckpoint("the log changed meanwhile")
        except (InvalidCheckpoint, redis.exceptions.RedisError) as error:
            _log_failure(self.path, error)
            return
        self._writing = Thread(
            target=_write,
            args=(self.path, header, incidents.copy()),
            name="checkpoint",
            daemon=True,
        )
        self._writing.start()


def _unpacked(packed: memoryview) -> IncidentProjection:
    with checkpoint.gc_paused():
        return unpack(packed)


def _write(path: Path, header: CheckpointHeader, incidents: IncidentProjection) -> None:
    """Write in a thread; a failure is only logged."""
    try:
        size = checkpoint.write(path, header, lambda out: out.write(pack(incidents)))
    except OSError as error:
        _log_failure(path, error)
        return
    logger.info(
        event_line(
            "checkpoint of incidents written", position=header.position, bytes=size
        )
    )


def _log_failure(path: Path, error: Exception) -> None:
    logger.warning(
        event_line("checkpoint of incidents not written", path=path, why=error)
    )


@cache
def code() -> str:
    """Return the digest of the code on which the checkpoint rests."""
    return checkpoint.source_digest(MADE_BY)


def fold_until(incidents: IncidentProjection, log: EventLog, position: int) -> None:
    """Fold up to this position of the log, and nothing after it."""
    while incidents.position < position:
        missing = position - incidents.position
        batch = log.after(incidents.position, min(PAGE, missing))
        if not batch:
            raise ValueError(f"the log ends at {incidents.position}, before {position}")
        incidents.fold(batch)
    incidents.clear()
