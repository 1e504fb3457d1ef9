"""api-web with one more address: a query that SQLite computes for as long as a file stands."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from flask import Flask

from incidentwire.settings import Settings
from incidentwire.web import server
from services.api import web

COUNT = """
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n % 100000 OR blocked())
SELECT max(n) FROM numbers
"""


def main(port: int, block: Path) -> None:
    """Serve until SIGTERM."""

    def make_app(settings: Settings) -> Flask:
        app = web.make_app(settings)

        def count(db: sqlite3.Connection) -> int:
            db.create_function("blocked", 0, block.exists)
            (block.parent / "begun").touch()
            found: int = db.execute(COUNT).fetchone()[0]
            return found

        @app.get("/slow")
        def slow() -> dict[str, int]:
            return {"counted": app.extensions["incidentwire.reader"].read(count)}

        return app

    server.command(make_app, port)([])


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
