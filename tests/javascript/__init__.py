"""JavaScript for tests: a Node.js that is always there, and a reference library."""

from __future__ import annotations

import shutil
from pathlib import Path

import playwright

# standardwebhooks 1.1.1 with what it requires, as its npm package has it in three files
STANDARD_WEBHOOKS = Path(__file__).with_name("standardwebhooks-1.1.1.cjs")


def node() -> str:
    """Return the path of Node.js: the system's, else the one that Playwright brings."""
    bundled = Path(playwright.__file__).parent / "driver" / "node"
    return shutil.which("node") or str(bundled)
