"""A lock on the data folder: one installation at a time uses it.

The embedded store inherits the locked file, so that a folder stays locked until the store
has ended, even if its parent was killed. Two stores on one append-only file lose data.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

LOCK = "lock"
PATIENCE_S = 10.0  # for the store of a parent that was killed to end


class FolderInUse(Exception):
    """Another process holds the data folder; the message names it."""


def lock(data_dir: Path) -> int:
    """Create the folder if needed, lock it and return the file descriptor of the lock.

    Raises FolderInUse.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    data_dir.chmod(0o700)
    fd = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + PATIENCE_S
    while not _try_lock(fd):
        holder = _holder(fd)
        if holder is None or _is_alive(holder) or time.monotonic() > deadline:
            os.close(fd)
            who = f"process {holder}" if holder else "another process"
            raise FolderInUse(
                f"The data folder {data_dir} is in use by {who}."
                " Stop it first, or choose another folder with --data-dir."
            )
        time.sleep(0.1)
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(fd: int) -> int | None:
    text = os.pread(fd, 32, 0).strip()
    return int(text) if text.isdigit() else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
