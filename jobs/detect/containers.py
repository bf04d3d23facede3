"""What a file is wrapped in: PGP, zip, gzip, a workbook's sheets, UTF-16. Its members come out as plain bytes."""

from __future__ import annotations

import codecs
import gzip
import io
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from jobs.detect.formats import FormatError

ENCRYPTED = (".pgp", ".gpg", ".asc")
PGP_ARMOR = b"-----BEGIN PGP"
ZIP, GZIP = b"PK\x03\x04", b"\x1f\x8b"
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@contextmanager
def decrypted(path: Path, command: Sequence[str]) -> Iterator[Path]:
    """The file, or what the command (bytes in at its standard input, plain bytes out) makes of an encrypted one.

    Raises FormatError where no command is configured or it fails.
    """
    if not is_encrypted(path):
        yield path
        return
    if not command:
        raise FormatError("encrypted (PGP): no decryption command is configured")
    with tempfile.NamedTemporaryFile(prefix="dietz-") as plain:
        with path.open("rb") as source:
            try:
                done = subprocess.run(command, stdin=source, stdout=plain, stderr=subprocess.PIPE, check=False)
            except OSError as error:
                raise FormatError(f"cannot be decrypted: {error.strerror}: {command[0]}") from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
            raise FormatError(f"cannot be decrypted: {said[-1]}")
        yield Path(plain.name)


def is_encrypted(path: Path) -> bool:
    """Whether the name or the first bytes say PGP."""
    return path.suffix.lower() in ENCRYPTED or begins(path, PGP_ARMOR)


def begins(path: Path, *magics: bytes) -> bool:
    """Whether the file's first bytes are one of these."""
    with path.open("rb") as raw:
        return raw.read(max(map(len, magics))).startswith(magics)


def is_workbook(path: Path) -> bool:
    """Whether the file is a workbook, whatever its name: a zip that holds `xl/workbook.xml`."""
    if not begins(path, ZIP):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except zipfile.BadZipFile:
        return False


def is_wrapped(path: Path) -> bool:
    """Whether the file's bytes are not its lines' bytes: encrypted, an archive, or UTF-16."""
    return is_encrypted(path) or begins(path, ZIP, GZIP, *UTF16)


def open_member(path: Path, member: str) -> IO[bytes]:
    """The plain bytes of one member as `open_members` names it; of a workbook's sheet the whole workbook."""
    if is_workbook(path):
        return path.open("rb")
    for name, stream in open_members(path):
        if name == member:
            return stream
        stream.close()
    raise FileNotFoundError(f"{path} has no member {member}")


def open_members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """(member name, plain byte stream) for each member; the member's name is '' for a file that is no archive."""
    if begins(path, ZIP):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield info.filename, _as_utf8(archive.open(info))
    elif begins(path, GZIP):
        yield path.stem, _as_utf8(io.BufferedReader(gzip.open(path)))  # noqa: SIM115 the caller closes it
    else:
        yield "", _as_utf8(path.open("rb"))


def _as_utf8(stream: IO[bytes]) -> IO[bytes]:
    """UTF-16 (told by its byte-order mark) as UTF-8; everything else as it is. The stream can go back to its start."""
    first = stream.read(2)
    stream.seek(0)
    return cast("IO[bytes]", codecs.EncodedFile(stream, "utf-8", "utf-16")) if first in UTF16 else stream
