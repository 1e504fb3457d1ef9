"""The process classifier-keeper: `python -m services.classifier.keeper`.

It sees to it that every item comes to an end: items that lost their process are queued
again (keeping/requeue.py), so that a waiting item needs no scheduler and a lost job no
registry. Beside that it runs periodic tasks: retention, the audit, sweeping. Two
keepers do no harm.
"""

from __future__ import annotations

import logging
import time

import redis

from incidentwire.lifecycle import shutdown_event, touch_heartbeat
from incidentwire.settings import from_env
from incidentwire.store import connect_when_ready
from incidentwire.telemetry import configure_logging, event_line
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
    while not stopped.wait(PERIOD_S):
        touch_heartbeat(settings.heartbeat_file)
        try:
            requeue_expired(connection, time.time())
            for task in tasks:
                task.run(time.time())
        except redis.exceptions.RedisError as error:
            logger.error(event_line("store away", error=type(error).__name__))


if __name__ == "__main__":
    main()
