"""Files and folders of the data directory: readable by their owner alone, written whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

T = TypeVar("T")

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents, closed to other users."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(mode=FOLDER_MODE, exist_ok=True)


def write_whole(path: Path, temporary: Path, write: Callable[[IO[bytes]], T]) -> T:
    """Write a file so that a crash leaves all of it or the old one. Raises OSError.

    `temporary` is on the same file system; what a crash left there is overwritten.
    """
    try:
        with open(temporary, "wb", opener=_private) as file:
            written = write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return written


def sync_folder(path: Path) -> None:
    """Sync the entries of a folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create(path: Path) -> None:
    """Create an empty file, closed to other users, unless it exists."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, FILE_MODE))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, FILE_MODE)
