"""The Chromium that tests open pages with; tools/prepare_tests installs one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Return the browser's path: $CHROMIUM, an installed one, or Playwright's."""
    chosen = os.environ.get("CHROMIUM")
    installed = filter(None, map(shutil.which, NAMES))
    folder = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    cache = Path(folder) if folder else Path.home() / ".cache" / "ms-playwright"
    downloaded = sorted(map(str, cache.glob("chromium-*/chrome-linux*/chrome")))
    candidates = [*([chosen] if chosen else []), *installed, *downloaded]
    assert candidates, "no Chromium is installed: run tools/prepare_tests"
    return candidates[0]
