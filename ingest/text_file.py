"""A text file read forward in lines, packed or not, in any encoding; it knows how far it was read, and a line of any
length takes bounded memory."""

import bz2
import codecs
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from ingest.errors import FeedError
from rerank.errors import MissingExtraError

try:
    from backports import zstd
except ImportError:
    zstd = None  # type: ignore[assignment]

MAX_LINE_CHARS = 8_000_000
"""No product has a longer line; a file without line ends must not fill the memory."""

NOT_UTF8 = "is not UTF-8: where the whole file is in another encoding, name that in a TOML's [[source]]"
"""Behind what it is that cannot be read."""

HEAD_CHARS = 1000
SNIFFED_BYTES = 4096
PACKED = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zst", b"PK\x03\x04": "zip"}
"""How packed files begin; a name is not asked, because servers unpack and rename."""

XML_ENCODING = re.compile(rb"""<\?xml[^>]*\sencoding\s*=\s*["']([A-Za-z0-9._-]+)""")
PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")
ONE_BYTE = ("utf-8", "ascii", "iso8859", "cp125", "cp437", "cp850", "koi8", "mac")
"""Codecs in which a bad byte can stand as a lone surrogate; in others it becomes U+FFFD."""

BAD_BYTE = re.compile("[\udc80-\udcff]")
"""A byte that is not of the encoding, as "surrogateescape" lets it through."""

DAMAGED: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, UnicodeError)
if zstd is not None:
    DAMAGED = (*DAMAGED, zstd.ZstdError)


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line of more than `MAX_LINE_CHARS`: how it begins, and how long it is."""

    head: str
    chars: int

    @property
    def reason(self) -> str:
        """Say what is wrong with it."""
        return f"the line is too long: {self.chars} characters, the limit is {MAX_LINE_CHARS}"


class TextFile:
    """A file of lines. gz, bz2, xz, zst and a zip of one file are unpacked; the encoding is the one given, else what a
    byte order mark, the zero bytes of UTF-16 or an XML declaration tell, else UTF-8.

    Bytes that are not of the encoding come as lone surrogates, which `readable` tells apart, so that one bad line
    does not end the file.
    """

    def __init__(self, path: Path, *, name: str | None = None, encoding: str | None = None) -> None:
        self.path = path
        self.name = name or str(path)
        self._encoding = encoding
        self._size = max(path.stat().st_size, 1)
        self._raw: BinaryIO | None = None
        self._done = 0

    def progress(self) -> float:
        """Return the share of the file's bytes that were read, 0..1."""
        raw = self._raw
        if raw is not None:
            try:
                self._done = raw.tell()
            except (ValueError, OSError):  # closed by the reading thread between the two lines, or under `tell`
                self._done = self._size
        return min(self._done / self._size, 1.0)

    @contextmanager
    def open(self, *, newline: str) -> Iterator[io.TextIOWrapper]:
        """Open the file at its start; `newline` as for the built-in `open`.

        Raises:
            FeedError: it cannot be read, or breaks off or is damaged somewhere (raised where that shows).
            MissingExtraError: it is packed with zstd, and the library is not installed.
        """
        try:
            with self.path.open("rb") as raw:
                self._raw = raw
                binary = io.BufferedReader(_unpacked(raw, self.name), SNIFFED_BYTES * 16)
                encoding = self._encoding or _encoding_of(binary.peek(SNIFFED_BYTES)[:SNIFFED_BYTES])
                yield io.TextIOWrapper(binary, encoding=encoding, errors=_errors(encoding), newline=newline)
        except DAMAGED as error:
            raise FeedError(f"cannot read {self.name} to its end: {error}; what came before it was ingested") from error
        finally:
            self._raw, self._done = None, self._size

    @contextmanager
    def lines(self, *, newline: str) -> Iterator[Iterator[str | LongLine]]:
        """Open the file and read it line by line, line ends included. Raises as `open` does."""
        with self.open(newline=newline) as text:
            yield _bounded(text)


def _bounded(text: io.TextIOWrapper) -> Iterator[str | LongLine]:
    while line := text.readline(MAX_LINE_CHARS):
        if len(line) < MAX_LINE_CHARS or line[-1] in "\r\n":
            yield line
            continue
        head, chars = line[:HEAD_CHARS], len(line)
        while line and line[-1] not in "\r\n":
            line = text.readline(MAX_LINE_CHARS // 8)
            chars += len(line)
        yield LongLine(head, chars)


class _Eager(io.RawIOBase):
    """A packed file that gives what it has unpacked before it says that the rest is damaged."""

    def __init__(self, packed: io.BufferedIOBase) -> None:
        self._packed = packed

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read as much as one step of unpacking gives."""
        data = self._packed.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _unpacked(raw: BinaryIO, name: str) -> io.RawIOBase:
    start = raw.read(6)
    raw.seek(0)
    kind = next((kind for magic, kind in PACKED.items() if start.startswith(magic)), None)
    if kind == "gz":
        return _Eager(gzip.GzipFile(fileobj=raw))
    if kind == "bz2":
        return _Eager(bz2.BZ2File(raw))
    if kind == "xz":
        return _Eager(lzma.LZMAFile(raw))
    if kind == "zip":
        return _Eager(_unzipped(raw, name))
    if kind == "zst":
        if zstd is None:
            raise MissingExtraError(f"{name} is packed with zstd; install it: pip install 'polyrank[zstd]'")
        return _Eager(zstd.ZstdFile(raw))
    return cast(io.RawIOBase, raw)


def zipped_files(path: Path) -> list[str]:
    """Return the names of the files in a zip, folders and what systems add left out; of a broken one, none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _plain_names(archive)
    except (OSError, zipfile.BadZipFile):
        return []


def _plain_names(archive: zipfile.ZipFile) -> list[str]:
    found = [item.filename for item in archive.infolist() if not item.is_dir()]
    return [name for name in found if not any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)]


def _unzipped(raw: BinaryIO, name: str) -> io.BufferedIOBase:
    archive = zipfile.ZipFile(raw)
    names = _plain_names(archive)
    if len(names) != 1:
        raise FeedError(f"{name} holds {len(names)} files; unpack it, and name the folder they are in")
    try:
        return cast(io.BufferedIOBase, archive.open(names[0]))
    except (RuntimeError, NotImplementedError) as error:
        raise FeedError(f"cannot unpack {name}: {error}; unpack it yourself") from error


def _encoding_of(start: bytes) -> str:
    for mark, encoding in (
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if start.startswith(mark):
            return encoding
    if len(start) > 3 and b"\x00" in start:
        odd, even = start[1::2].count(0), start[::2].count(0)
        if max(odd, even) > len(start) // 5 and min(odd, even) == 0:
            return "utf-16-le" if odd else "utf-16-be"
    declared = XML_ENCODING.match(start.removeprefix(codecs.BOM_UTF8))
    name = declared[1].decode("ascii") if declared else "utf-8"
    try:
        known = codecs.lookup(name).name
    except LookupError:
        return "utf-8-sig"
    return "utf-8-sig" if known.startswith(("utf-8", "utf-16", "utf-32")) else known


def _errors(encoding: str) -> str:
    return "surrogateescape" if codecs.lookup(encoding).name.startswith(ONE_BYTE) else "replace"


def readable(text: str) -> bool:
    """Say whether a text of a `TextFile` was valid in the file's encoding."""
    return text.isascii() or BAD_BYTE.search(text) is None


def shown(text: str) -> str:
    """Return a text of a `TextFile` with its invalid bytes as `\\xNN`, for a dead letter."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
