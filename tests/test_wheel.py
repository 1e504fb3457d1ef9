"""The wheel holds all that runs, and nothing that only trains."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from tools import release

ROOT = Path(__file__).parent.parent
DATA_FOR_TRAINING = ("corpus/", "real/")


def test_the_wheel_holds_every_file_that_runs(tmp_path: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "incidentwire", "services", "cli"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    wanted = {
        name
        for name in tracked
        if name
        and not name.startswith(
            tuple(f"services/classifier/training/{part}" for part in DATA_FOR_TRAINING)
        )
    }
    with zipfile.ZipFile(release.build(tmp_path)) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == wanted


def test_release_notes_are_the_section_of_the_version() -> None:
    changelog = "# Log\n\n## Unreleased\n\nnew\n\n## 1.2.0 (2026-01-01)\n\nold\n"
    assert release.notes(changelog, "1.2.0") == "old\n"
    with pytest.raises(SystemExit, match=r"no section 1\.3\.0"):
        release.notes(changelog, "1.3.0")


def test_the_constraints_of_a_release_name_one_version_each(tmp_path: Path) -> None:
    pins = release.write_constraints(tmp_path).read_text().splitlines()
    assert len(pins) > 40
    assert all("==" in pin and "--hash" not in pin for pin in pins)
    assert not [pin for pin in pins if pin.startswith("pytest")]
