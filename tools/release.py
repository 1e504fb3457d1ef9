"""Build the wheel, try it in an empty environment and write the release notes.

Nothing is published. Run `make release`, which runs all checks and tests first.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from incidentwire import __version__

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
UV = Path(sys.executable).with_name("uv")


def notes(changelog: str, version: str) -> str:
    """Return the section of a version.

    Raises SystemExit if it is not the only one, or if something is still unreleased.
    """
    found = _sections(changelog, version)
    unreleased = "".join(_sections(changelog, "Unreleased")).strip()
    if len(found) != 1 or unreleased:
        still = " and a section Unreleased" if unreleased else ""
        raise SystemExit(
            f"CHANGELOG.md has {len(found)} sections {version}{still}."
            f" Rename the section Unreleased to `{version} (date)`, as the only one."
        )
    return found[0].strip() + "\n"


def _sections(changelog: str, name: str) -> list[str]:
    pattern = rf"^## {re.escape(name)}\b[^\n]*\n(.*?)(?=^## |\Z)"
    return re.findall(pattern, changelog, re.MULTILINE | re.DOTALL)


def build(folder: Path) -> Path:
    """Build the wheel and return its path."""
    shutil.rmtree(ROOT / "build", ignore_errors=True)  # else old files get into it
    options = ("--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable)
    _run(UV, "build", *options, "-o", folder, ROOT)
    [wheel] = folder.glob(f"incidentwire-{__version__}-*.whl")
    return wheel


def write_constraints(folder: Path) -> Path:
    """Write the tested versions of what the wheel needs, for `pip --constraint`."""
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line.rstrip(" \\") for line in locked if not line.startswith((" ", "#"))]
    file = folder / f"incidentwire-{__version__}-constraints.txt"
    file.write_text("\n".join(pins) + "\n", encoding="utf-8")
    return file


def try_in_empty_environment(wheel: Path) -> None:
    """Install the locked dependencies and the wheel, and run the demo, outside ROOT."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = folder / "venv" / "bin" / "python"
        install = (UV, "pip", "install", "--quiet", "--python", python)
        _run(UV, "venv", "--quiet", folder / "venv")
        _run(*install, "--require-hashes", "-r", ROOT / "requirements.lock")
        _run(*install, "--no-deps", wheel)
        command = python.with_name("incidentwire")
        _run(command, "demo", "--once", "--data-dir", folder / "data", cwd=folder)


def _run(*command: object, cwd: Path = ROOT) -> None:
    subprocess.run([str(part) for part in command], cwd=cwd, check=True)


def main() -> None:
    """Make what a release consists of."""
    text = notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), __version__)
    wheel = build(DIST)
    constraints = write_constraints(DIST)
    try_in_empty_environment(wheel)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    page = DIST / f"incidentwire-{__version__}-notes.md"
    page.write_text(
        f"# Incidentwire {__version__}\n\n{text}\n`{wheel.name}`, SHA-256 `{digest}`\n",
        encoding="utf-8",
    )
    print(f"{wheel}\n{constraints}\n{page}\nNothing was published.")


if __name__ == "__main__":
    main()
