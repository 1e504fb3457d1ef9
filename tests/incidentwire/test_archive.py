"""The archive: what it was given it gives back, or says that it cannot."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidentwire.archive import (
    PARTS,
    Archive,
    ArchiveUnavailable,
    ContentCorrupt,
    ContentNotFound,
    digest_of,
)


@pytest.fixture(params=["folder", "memory"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    """Return a folder, and another fsspec file system."""
    return Archive(
        str(tmp_path / "archive")
        if request.param == "folder"
        else f"memory://archive-{tmp_path.name}"
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.binary(max_size=5000))
def test_bytes_come_back_as_they_were(archive: Archive, data: bytes) -> None:
    digest = archive.put("i_abc", data)
    assert digest == digest_of(data)
    assert archive.get("i_abc", digest) == data
    assert archive.put("i_abc", data) == digest


def test_what_was_never_kept_or_is_deleted_is_not_kept(archive: Archive) -> None:
    kept = archive.put("i_abc", b"page")
    other = archive.put("i_abc", b"text")
    archive.delete("i_abc", kept)
    assert archive.digests("i_abc") == [other]
    with pytest.raises(ContentNotFound):
        archive.get("i_abc", kept)
    archive.delete("i_abc")
    archive.delete("i_abc")
    assert archive.digests("i_abc") == []
    assert not archive.has("i_abc", other)


def test_one_items_deletion_leaves_the_same_bytes_of_another(archive: Archive) -> None:
    digest = archive.put("i_abc", b"same")
    archive.put("i_abd", b"same")
    archive.delete("i_abc")
    assert archive.get("i_abd", digest) == b"same"


def test_rot_is_noticed(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path))
    digest = archive.put("i_abc", b"page")
    other = archive.put("i_abc", b"other page")
    path = next(tmp_path.rglob(f"{digest}.zst"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ContentCorrupt):
        archive.get("i_abc", digest)
    path.write_bytes(next(tmp_path.rglob(f"{other}.zst")).read_bytes())
    with pytest.raises(ContentCorrupt, match="other bytes"):
        archive.get("i_abc", digest)


def test_a_half_written_file_is_never_seen_as_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError("disk full")

    archive = Archive(str(tmp_path))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        archive.put("i_abc", b"page")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_everything_kept_is_listed_with_its_age(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path))
    digest = archive.put("i_abc", b"page")
    [(item, found, stamp)] = archive.objects()
    assert (item, found) == ("i_abc", digest)
    assert stamp > 1_600_000_000


@pytest.mark.parametrize("item", ["../x", "a/b", "", "i_a.b"])
def test_a_path_is_no_item(archive: Archive, item: str) -> None:
    with pytest.raises(ValueError, match="item id"):
        archive.put(item, b"x")


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def overwritten(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("damage", [emptied, truncated, overwritten])
def test_a_damaged_object_is_written_again_with_the_next_put(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    archive = Archive(str(tmp_path))
    digest = archive.put("i_abc", b"page")
    damage(next(tmp_path.rglob(f"{digest}.zst")))
    with pytest.raises(ContentCorrupt):
        archive.get("i_abc", digest)
    assert archive.put("i_abc", b"page") == digest
    assert archive.get("i_abc", digest) == b"page"


def test_what_is_no_file_is_damaged(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path))
    digest = archive.put("i_abc", b"page")
    path = next(tmp_path.rglob(f"{digest}.zst"))
    path.unlink()
    path.mkdir()
    with pytest.raises(ContentCorrupt):
        archive.get("i_abc", digest)


def test_deletion_reaches_what_lies_behind_a_linked_folder(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path / "archive"))
    archive.put("i_abc", b"page")
    folder = tmp_path / "archive" / "ab" / "i_abc"
    folder.rename(tmp_path / "larger_disk")
    folder.symlink_to(tmp_path / "larger_disk")
    archive.delete("i_abc")
    assert list((tmp_path / "larger_disk").iterdir()) == []
    assert not os.path.lexists(folder)


def test_an_empty_object_does_not_count_as_stored(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path))
    digest = archive.put("i_abc", b"page")
    emptied(next(tmp_path.rglob(f"{digest}.zst")))
    assert not archive.has("i_abc", digest)


def test_an_intact_object_is_left_as_it_is(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path))
    digest = archive.put("i_abc", b"page")
    path = next(tmp_path.rglob(f"{digest}.zst"))
    before = path.stat().st_ino
    archive.put("i_abc", b"page")
    assert path.stat().st_ino == before


KILLED = """
import os, signal, sys
from incidentwire.archive import Archive
archive = Archive(sys.argv[1])
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
archive.put("i_abc", b"page")
"""


def test_what_a_kill_left_half_written_is_swept_after_an_hour(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    archive = Archive(str(tmp_path))
    assert archive.sweep() == 0
    (left,) = (tmp_path / PARTS).iterdir()
    assert list(archive.objects()) == []
    os.utime(left, (0, 0))
    assert archive.sweep() == 1
    assert not left.exists()


def test_other_users_of_the_machine_can_read_nothing(tmp_path: Path) -> None:
    root = tmp_path / "data" / "archive"
    Archive(str(root)).put("i_abc", b"page")
    for path in [root.parent, *root.parent.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "full"),
        (errno.EACCES, "denied"),
        (errno.EMFILE, "failing"),
        (errno.ESTALE, "failing"),
    ],
)
def test_a_disk_that_refuses_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ArchiveUnavailable, match=f"The archive is {reason}") as raised:
        Archive(str(tmp_path)).put("i_abc", b"page")
    assert raised.value.reason == reason
