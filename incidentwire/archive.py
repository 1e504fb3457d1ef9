"""The archive: bytes under `<item>/<digest>`, written once, compressed, checked when read.

A folder by default, any fsspec file system by URL. Bytes are synced before their event is appended, so the log never
names what is not there; a crash between leaves an orphan, which `incidentwire check` removes after a day.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import zstandard

COMPRESSION_LEVEL = 6  # measured on pages: level 9 saves 3 % more at twice the time
MAX_BYTES = 200_000_000  # refuse to inflate more than this from one object


class ArchiveAway(OSError):
    """The archive cannot be read or written at the moment: full, read-only or failing."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


_AWAY = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EROFS: "read_only",
    errno.EIO: "failing",
}


def outage_of(error: BaseException) -> ArchiveAway | None:
    """Return the outage that an error of the file system means, None for others."""
    if isinstance(error, ArchiveAway):
        return error
    if not isinstance(error, OSError) or error.errno not in _AWAY:
        return None
    reason = _AWAY[error.errno]
    shown = reason.replace("_", "-")
    return ArchiveAway(reason, f"The archive is {shown}: {error.strerror}.")


@contextmanager
def outages() -> Iterator[None]:
    """Raise an outage of the file system as ArchiveAway, other errors unchanged."""
    try:
        yield
    except OSError as error:
        away = outage_of(error)
        if away is None or away is error:
            raise
        raise away from error


class ContentNotFound(LookupError):
    """The archive does not hold these bytes (never did, or they were deleted)."""


class ContentCorrupt(ValueError):
    """What the archive holds is not what its digest says."""


def digest_of(data: bytes) -> str:
    """SHA-256 in hex: the name of the bytes."""
    return hashlib.sha256(data).hexdigest()


class Archive:
    """The archive at a folder or an fsspec URL."""

    def __init__(self, url: str) -> None:
        self.fs, self.root = fsspec.core.url_to_fs(url)
        self.is_local = "file" in (
            self.fs.protocol
            if isinstance(self.fs.protocol, tuple)
            else (self.fs.protocol,)
        )

    def put(self, item: str, data: bytes) -> str:
        """Keep bytes under the item and return their digest. On disk when it returns."""
        digest = digest_of(data)
        path = self._path(item, digest)
        packed = zstandard.ZstdCompressor(
            level=COMPRESSION_LEVEL, write_checksum=True
        ).compress(data)
        if self.is_local:
            _write_synced(Path(path), packed)
        else:
            self.fs.pipe_file(path, packed)
        return digest

    def get(self, item: str, digest: str) -> bytes:
        """The bytes. Raises ContentNotFound, or Damaged where they do not match their digest."""
        try:
            packed = self.fs.cat_file(self._path(item, digest))
        except FileNotFoundError:
            raise ContentNotFound(f"{item}/{digest} is not in the archive") from None
        try:
            data = zstandard.ZstdDecompressor().decompress(
                packed, max_output_size=MAX_BYTES
            )
        except zstandard.ZstdError as error:
            raise ContentCorrupt(f"{item}/{digest}: {error}") from None
        if digest_of(data) != digest:
            raise ContentCorrupt(f"{item}/{digest} holds other bytes")
        return data

    def has(self, item: str, digest: str) -> bool:
        return bool(self.fs.exists(self._path(item, digest)))

    def delete(self, item: str, digest: str | None = None) -> None:
        """Delete one object, or all that is kept of the item. Deleting what is gone is no error."""
        path = self._path(item, digest) if digest else self._folder(item)
        if self.fs.exists(path):
            self.fs.rm(path, recursive=digest is None)

    def digests(self, item: str) -> list[str]:
        """What is kept of one item."""
        folder = self._folder(item)
        if not self.fs.exists(folder):
            return []
        return sorted(
            _digest(path)
            for path in self.fs.ls(folder, detail=False)
            if path.endswith(".zst")
        )

    def objects(self) -> Iterator[tuple[str, str, float]]:
        """(item, digest, age stamp in s since the epoch) of everything kept; the stamp is 0 where it is unknown."""
        for path, info in sorted(self.fs.find(self.root, detail=True).items()):
            if path.endswith(".zst"):
                made = info.get("mtime") or info.get("created") or 0.0
                yield (
                    path.split("/")[-2],
                    _digest(path),
                    made if isinstance(made, float) else made.timestamp(),
                )

    def _folder(self, item: str) -> str:
        if not item.replace("_", "").isalnum():
            raise ValueError(f"not an item id: {item!r}")
        return f"{self.root}/{item[2:4]}/{item}"

    def _path(self, item: str, digest: str) -> str:
        if not digest.isalnum():
            raise ValueError(f"not a digest: {digest!r}")
        return f"{self._folder(item)}/{digest}.zst"


def _digest(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(".zst")


def _write_synced(path: Path, data: bytes) -> None:
    """Write a new file so that a crash leaves all of it or nothing. Bytes that are there already stay as they are."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
    for folder in (
        path.parent,
        path.parent.parent,
    ):  # the entry of a new folder must survive a crash too
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
