"""The wheel holds all that runs, and nothing that only trains."""

from __future__ import annotations

import subprocess
import tomllib
import zipfile
from importlib.metadata import distributions, metadata, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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
    changelog = (
        "# Log\n\n## Unreleased\n\n## 1.2.0 (2026-01-01)\n\nnew\n\n## 1.1.0\n\nold\n"
    )
    assert release.notes(changelog, "1.2.0") == "new\n"
    with pytest.raises(SystemExit, match=r"0 sections 1\.3\.0"):
        release.notes(changelog, "1.3.0")


@pytest.mark.parametrize("section", ["Unreleased", "1.2.0 (not released)"])
def test_a_release_whose_notes_would_leave_out_a_change_is_refused(
    section: str,
) -> None:
    changelog = f"## {section}\n\n- A change.\n\n## 1.2.0 (2026-01-01)\n\nold\n"
    with pytest.raises(SystemExit, match="as the only one"):
        release.notes(changelog, "1.2.0")


def test_the_constraints_of_a_release_name_one_version_each(tmp_path: Path) -> None:
    pins = release.write_constraints(tmp_path).read_text().splitlines()
    assert len(pins) > 40
    assert all("==" in pin and "--hash" not in pin for pin in pins)
    assert not [pin for pin in pins if pin.startswith("pytest")]


def test_what_older_pips_do_not_find_by_its_extra_is_required_by_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    required = {Requirement(line).name for line in project["project"]["dependencies"]}
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    names = {line.partition("==")[0] for line in locked if line[:1].isalpha()}
    missed = set()
    for distribution in distributions():
        if canonicalize_name(distribution.name) not in names:
            continue
        for wanted in _required(distribution.name):
            known = metadata(wanted.name).get_all("Provides-Extra") or ()
            for extra in wanted.extras.difference(known):  # pip before 23.3: not found
                added = _required(wanted.name, canonicalize_name(extra))
                missed |= {canonicalize_name(found.name) for found in added}
    assert missed
    assert missed <= required


def _required(name: str, extra: str = "") -> list[Requirement]:
    """Return what a distribution requires, or what an extra of it adds."""
    found = [Requirement(line) for line in requires(name) or ()]
    return [
        requirement
        for requirement in found
        if ("extra" in str(requirement.marker)) == bool(extra)
        and (not requirement.marker or requirement.marker.evaluate({"extra": extra}))
    ]
