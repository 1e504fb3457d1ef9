"""The key of the webhook secrets: made once, whatever happens meanwhile."""

from __future__ import annotations

import fcntl
import os
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import pytest

from services.api.subscriptions.database import Database
from services.api.subscriptions.secrets import KEY_FILE, SecretBox


@pytest.mark.parametrize("left", [None, b""])
def test_many_processes_share_one_key_though_one_died_as_it_made_it(
    tmp_path: Path, left: bytes | None
) -> None:
    if left is not None:
        (tmp_path / KEY_FILE).write_bytes(left)
    with ThreadPoolExecutor(8) as pool:
        boxes = list(pool.map(lambda _: SecretBox("", tmp_path), range(8)))
    sealed = [box.seal("whsec_a") for box in boxes]
    assert [boxes[0].open(each) for each in sealed] == ["whsec_a"] * 8


def test_the_files_of_subscriptions_are_private_whatever_the_umask(
    tmp_path: Path,
) -> None:
    former = os.umask(0)
    try:
        folder = tmp_path / "subscriptions"
        with closing(Database(folder / "subscriptions.sqlite")) as database:
            database.touch()
            SecretBox("", folder)
            for path in (folder, *folder.iterdir()):
                assert path.stat().st_mode & 0o077 == 0, path
    finally:
        os.umask(former)


def test_a_key_that_is_there_is_read_while_another_process_holds_the_folder(
    tmp_path: Path,
) -> None:
    sealed = SecretBox("", tmp_path).seal("whsec_a")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with ThreadPoolExecutor(1) as pool:
            opening = pool.submit(SecretBox, "", tmp_path)
            wait([opening], timeout=10)
            was_done = opening.done()
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)
    assert was_done
    assert opening.result().open(sealed) == "whsec_a"
