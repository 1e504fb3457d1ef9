"""The process classifier-keeper: `python -m services.classifier.keeper`.

It sees to it that every item comes to an end: items that lost their process are queued
again (keeping/requeue.py), so that a waiting item needs no scheduler and a lost job no
registry. Beside that it runs periodic tasks: retention, the audit, sweeping. Two
keepers do no harm.
"""

from __future__ import annotations

import logging
import time

from incidentwire.lifecycle import run_until_shutdown, shutdown_event
from incidentwire.settings import from_env
from incidentwire.store import connect_when_ready
from incidentwire.telemetry import configure_logging
from services.classifier.keeping.periodic import periodic_tasks
from services.classifier.keeping.requeue import requeue_expired

PERIOD_S = 1.0

logger = logging.getLogger(__name__)


def main() -> None:
    """Look after the items in flight until SIGTERM."""
    settings = from_env()
    configure_logging(settings.log_level, "classifier-keeper")
    connection = connect_when_ready(settings.redis_url)
    stopped = shutdown_event()
    tasks = periodic_tasks(settings, connection)
    logger.info("keeper ready")

    def step() -> None:
        requeue_expired(connection, time.time())
        for task in tasks:
            task.run(time.time())

    run_until_shutdown(
        step, stopped, heartbeat_file=settings.heartbeat_file, pause_s=PERIOD_S
    )


if __name__ == "__main__":
    main()
