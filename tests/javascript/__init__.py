"""JavaScript for tests: a Node.js that is always there, a reference library, packages."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import playwright

# standardwebhooks 1.1.1 with what it requires, as its npm package has it in three files
STANDARD_WEBHOOKS = Path(__file__).with_name("standardwebhooks-1.1.1.cjs")


def node() -> str:
    """Return the path of Node.js: the system's, else the one that Playwright brings."""
    bundled = Path(playwright.__file__).parent / "driver" / "node"
    return shutil.which("node") or str(bundled)


def run_package(command: str, *arguments: str | Path) -> None:
    """Run a command of the packages in package-lock.json."""
    program = Path(__file__).parent / "node_modules" / ".bin" / command
    assert program.exists(), "Run tools/prepare_tests: it installs package-lock.json."
    subprocess.run([node(), program, *arguments], check=True)
