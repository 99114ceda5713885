"""Image files of products: from folders and hosts that the shop has named, of bounded size, within bounded time."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import urllib3

READERS = 8
CHUNK_BYTES = 1 << 16
ANY_HOST = "*"


@dataclass(frozen=True, slots=True)
class PictureError:
    """Why an image could not be had, in few words: reports count by it."""

    reason: str


@dataclass(frozen=True, slots=True)
class PictureReader:
    """Reads images by their addresses in a feed.

    Feeds come from others, so an address may only name a file below `folder`, or one of `hosts` ("*": any). Redirects
    are not followed. `max_bytes` of a file, `timeout_s` for each.
    """

    folder: Path
    hosts: tuple[str, ...] = ()
    max_bytes: int = 20_000_000
    timeout_s: float = 10.0

    def stamp(self, address: str) -> str:
        """Return what changes when the image behind an address does, as far as that shows without reading it: size and
        time of a file. A web address is taken to keep its image."""
        if _is_web(address):
            return ""
        try:
            status = (self.folder / address).stat()
        except (OSError, ValueError):
            return "missing"
        return f"{status.st_size} {status.st_mtime_ns}"

    def read(self, addresses: Sequence[str]) -> list[bytes | PictureError]:
        """Return the images' bytes, or why there are none; as many, in the same order. Several are read at a time."""
        with urllib3.PoolManager(maxsize=READERS, retries=False) as pool, ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(lambda one: self._read(one, pool), addresses))

    def _read(self, address: str, pool: urllib3.PoolManager) -> bytes | PictureError:
        return self._download(address, pool) if _is_web(address) else self._open(address)

    def _open(self, address: str) -> bytes | PictureError:
        try:
            path = (self.folder / address).resolve()
            if not path.is_relative_to(self.folder.resolve()):
                return PictureError("outside the folder of images")
            if path.stat().st_size > self.max_bytes:
                return self._too_large()
            return path.read_bytes()
        except (OSError, ValueError):
            return PictureError("no such file")

    def _download(self, address: str, pool: urllib3.PoolManager) -> bytes | PictureError:
        end = time.monotonic() + self.timeout_s
        try:
            host = urllib3.util.parse_url(address).host
            if ANY_HOST not in self.hosts and host not in self.hosts:
                return PictureError("a host that [images] does not name")
            timeout = urllib3.Timeout(total=self.timeout_s)
            answer = pool.request("GET", address, timeout=timeout, redirect=False, preload_content=False)
            with answer:
                if answer.status != 200:
                    return PictureError(f"HTTP {answer.status}")
                found = bytearray()
                while chunk := answer.read1(CHUNK_BYTES):  # as it comes, so that a server that drips is noticed
                    found += chunk
                    if len(found) > self.max_bytes:
                        return self._too_large()
                    if time.monotonic() > end:
                        return PictureError("timed out")
                return bytes(found)
        except urllib3.exceptions.NewConnectionError:  # which urllib3 counts among the timeouts
            return PictureError("cannot be reached")
        except urllib3.exceptions.TimeoutError:
            return PictureError("timed out")
        except (urllib3.exceptions.HTTPError, ValueError):
            return PictureError("cannot be reached")

    def _too_large(self) -> PictureError:
        return PictureError(f"larger than {self.max_bytes / 1e6:g} MB")


def _is_web(address: str) -> bool:
    return address.lower().startswith(("http://", "https://"))
