"""The archive: what it was given it gives back, or says that it cannot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidentwire.archive import Archive, ContentCorrupt, ContentNotFound, digest_of


@pytest.fixture(params=["folder", "memory"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    """A folder, and another fsspec file system."""
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
    kept, other = archive.put("i_abc", b"page"), archive.put("i_abc", b"text")
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
    assert list(tmp_path.rglob("*.zst")) == list(tmp_path.rglob("*.part")) == []


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
