"""Build the documentation site into build/site: `make site`. Needs no network.

Unknown links and anchors, and pages without a place in the navigation, are errors, as are
scripts, styles and images from elsewhere.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.cmd.build import main as build

ROOT = Path(__file__).parent.parent
SITE = ROOT / "build" / "site"
LOADED = re.compile(
    r"<(?:script|img|iframe|source)[^>]*\bsrc=[\"']?(?:https?:)?//"
    r"|<link[^>]*\brel=[\"']?(?:stylesheet|preload|icon)[^>]*\bhref=[\"']?(?:https?:)?//"
)
LOADED_BY_STYLE = re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//")


def foreign_loads(site: Path) -> list[str]:
    """Return the files of a site that load something from elsewhere."""
    found = []
    for pattern, kind in ((LOADED, "html"), (LOADED_BY_STYLE, "css")):
        for file in sorted(site.rglob(f"*.{kind}")):
            if pattern.search(file.read_text(encoding="utf-8")):
                found.append(str(file.relative_to(site)))
    return found


def main() -> int:
    """Build the site. Returns the exit code."""
    strict = ["-q", "-E", "-W", "--keep-going"]
    if build([*strict, "-b", "html", str(ROOT / "docs"), str(SITE)]):
        return 1
    if found := foreign_loads(SITE):
        print(f"These pages load something from elsewhere: {', '.join(found)}")
        return 1
    print(f"{SITE.relative_to(ROOT)}/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
