"""The commands that a page of documentation shows."""

from __future__ import annotations

import re
from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)


def commands(page: Path, after: str = "", before: str = "") -> list[str]:
    """Return the commands of a page's console blocks, here documents included.

    A command begins with `$ `. Lines that follow belong to it if it ends with a
    backslash or opens a here document; others are what it prints. `after` and `before`
    limit the part of the page.
    """
    text = page.read_text(encoding="utf-8")
    part = text.partition(after)[2] if after else text
    part = part.partition(before)[0] if before else part
    found: list[str] = []
    for block in BLOCK.findall(part):
        found += _commands(block.splitlines())
    return found


def _commands(lines: list[str]) -> list[str]:
    found: list[str] = []
    end: str | None = None
    for line in lines:
        if line.startswith("$ ") and end is None:
            found.append(line.removeprefix("$ "))
            opened = re.search(r"<<'(\w+)'$", line)
            end = opened[1] if opened else None
        elif end is not None or (found and found[-1].endswith("\\")):
            found[-1] += f"\n{line}"
            end = None if line == end else end
    return found
