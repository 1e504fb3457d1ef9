"""The archive: bytes under `<item>/<digest>`, compressed, verified when read.

A folder by default, any fsspec file system by URL. Bytes are synced before their event is
appended, so that the log never names what is not there. A crash in between leaves an
orphan, which `incidentwire check` removes after a day.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import fsspec
import zstandard

from incidentwire import private_files

PARTS = ".parts"  # folder of files that are being written
PARTS_AGE_S = 3_600.0  # an older one was left by a crash
SUFFIX = ".zst"
COMPRESSION_LEVEL = 6  # measured on pages: level 9 saves 3 % more at twice the time
MAX_BYTES = 200_000_000  # decompressed size of one object, at most


class ArchiveUnavailable(OSError):
    """The archive cannot be read or written at the moment: full, read-only or failing."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


_OUTAGES = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EROFS: "read_only",
    errno.EIO: "failing",
}
# Outages where the archive is concerned; elsewhere they may be anything.
_LOCAL_OUTAGES = _OUTAGES | {
    errno.EACCES: "denied",
    errno.EPERM: "denied",
    errno.EFBIG: "full",
    errno.EMFILE: "failing",
    errno.ENFILE: "failing",
    errno.ENOMEM: "failing",
    errno.ENODEV: "failing",
    errno.ENOTCONN: "failing",
    errno.ESTALE: "failing",
    errno.ETIMEDOUT: "failing",
}


def outage_of(error: BaseException) -> ArchiveUnavailable | None:
    """Return the outage that an error of the file system means, None for others."""
    if isinstance(error, ArchiveUnavailable):
        return error
    return _outage(error, _OUTAGES)


def _outage(
    error: BaseException, reasons: Mapping[int, str]
) -> ArchiveUnavailable | None:
    number = error.errno or 0 if isinstance(error, OSError) else 0
    reason = reasons.get(number)
    if reason is None:
        return None
    shown = reason.replace("_", "-")
    return ArchiveUnavailable(reason, f"The archive is {shown}: {os.strerror(number)}.")


@contextmanager
def outages() -> Iterator[None]:
    """Raise an outage of the file system as ArchiveUnavailable, other errors unchanged."""
    try:
        yield
    except OSError as error:
        unavailable = _outage(error, _LOCAL_OUTAGES)
        if unavailable is None:
            raise
        raise unavailable from error


class ContentNotFound(LookupError):
    """The archive does not hold these bytes: never stored, or deleted."""


class ContentCorrupt(ValueError):
    """The stored bytes do not match their digest."""


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of the bytes in hex: their name."""
    return hashlib.sha256(data).hexdigest()


class Archive:
    """The archive at a folder or an fsspec URL."""

    def __init__(self, url: str) -> None:
        self.fs, self.root = fsspec.core.url_to_fs(url)
        protocol = self.fs.protocol
        protocols = protocol if isinstance(protocol, tuple) else (protocol,)
        self.is_local = "file" in protocols

    def put(self, item: str, data: bytes) -> str:
        """Store bytes under the item and return their digest, once they are on disk.

        An object that is stored already is verified, and written again if it is damaged.
        Raises ArchiveUnavailable.
        """
        digest = digest_of(data)
        path = self._path(item, digest)
        with outages():
            if self.is_local and self._is_intact(item, digest):
                return digest
            compressor = zstandard.ZstdCompressor(
                level=COMPRESSION_LEVEL, write_checksum=True
            )
            packed = compressor.compress(data)
            if self.is_local:
                self._write_synced(Path(path), packed)
            else:
                self.fs.pipe_file(path, packed)
        return digest

    def get(self, item: str, digest: str) -> bytes:
        """Return the bytes. Raises ContentNotFound, ContentCorrupt and ArchiveUnavailable."""
        try:
            with outages():
                packed = self.fs.cat_file(self._path(item, digest))
        except FileNotFoundError:
            raise ContentNotFound(f"{item}/{digest} is not in the archive") from None
        except (IsADirectoryError, NotADirectoryError) as error:
            raise ContentCorrupt(f"{item}/{digest}: {error.strerror}") from None
        decompressor = zstandard.ZstdDecompressor()
        try:
            data = decompressor.decompress(packed, max_output_size=MAX_BYTES)
        except zstandard.ZstdError as error:
            raise ContentCorrupt(f"{item}/{digest}: {error}") from None
        if digest_of(data) != digest:
            raise ContentCorrupt(f"{item}/{digest} holds other bytes")
        return data

    def has(self, item: str, digest: str) -> bool:
        """Return whether the object exists and is not empty."""
        try:
            return bool(self.fs.size(self._path(item, digest)))
        except FileNotFoundError:
            return False

    def delete(self, item: str, digest: str | None = None) -> None:
        """Delete one object, or everything stored of the item; absence is no error."""
        with outages():
            paths = [self._path(item, digest)] if digest else self._paths(item)
            for path in paths:
                if self.fs.exists(path):
                    self.fs.rm(path, recursive=True)

    def _paths(self, item: str) -> list[str]:
        """Return the paths of all that is stored of an item, its folder last.

        The folder alone would not do: it may be a link to another disk.
        """
        found = [self._path(item, digest) for digest in self.digests(item)]
        return [*found, self._folder(item)]

    def digests(self, item: str) -> list[str]:
        """Return the digests of everything stored of one item, sorted."""
        folder = self._folder(item)
        if not self.fs.exists(folder):
            return []
        paths = self.fs.ls(folder, detail=False)
        return sorted(_digest(path) for path in paths if path.endswith(SUFFIX))

    def objects(self) -> Iterator[tuple[str, str, float]]:
        """Yield (item, digest, time stored in s since the epoch) of every object.

        The time is 0 if the file system does not tell it.
        """
        for path, info in sorted(self.fs.find(self.root, detail=True).items()):
            if path.endswith(SUFFIX):
                stored = info.get("mtime") or info.get("created") or 0.0
                if not isinstance(stored, float):
                    stored = stored.timestamp()
                yield path.split("/")[-2], _digest(path), stored

    def sweep(self) -> int:
        """Delete what crashes left half-written, and return how many files that were."""
        if not self.is_local:
            return 0
        swept = 0
        oldest = time.time() - PARTS_AGE_S
        for path in Path(self.root, PARTS).glob("*"):
            try:
                if path.stat().st_mtime < oldest:
                    path.unlink()
                    swept += 1
            except FileNotFoundError:
                continue  # just finished
        return swept

    def _is_intact(self, item: str, digest: str) -> bool:
        try:
            self.get(item, digest)
        except (ContentNotFound, ContentCorrupt):
            return False
        return True

    def _write_synced(self, path: Path, data: bytes) -> None:
        parts = Path(self.root, PARTS)
        private_files.make_folder(parts)
        private_files.make_folder(path.parent)
        temporary = parts / secrets.token_hex(8)
        private_files.write_whole(path, temporary, lambda file: file.write(data))
        # the entry of a new folder must survive a crash too
        private_files.sync_folder(path.parent.parent)

    def _folder(self, item: str) -> str:
        if not item.replace("_", "").isalnum():
            raise ValueError(f"not an item id: {item!r}")
        return f"{self.root}/{item[2:4]}/{item}"

    def _path(self, item: str, digest: str) -> str:
        if not digest.isalnum():
            raise ValueError(f"not a digest: {digest!r}")
        return f"{self._folder(item)}/{digest}{SUFFIX}"


def _digest(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(SUFFIX)
