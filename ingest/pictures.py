"""Image files of products: from folders and hosts that the shop has named, of bounded size, within bounded time."""

import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path

import urllib3
from urllib3.util import Url, parse_url

from ingest.picture_book import Version

READERS = 8
CHUNK_BYTES = 1 << 16
ANY_HOST = "*"
PORTS = {"http": 80, "https": 443}
NO_CONDITIONS: Mapping[str, str] = {}
NAT64 = IPv6Network("64:ff9b::/96")
"""Addresses that end in one of IPv4. Source: RFC 6052."""


@dataclass(frozen=True, slots=True)
class PictureError:
    """Why an image could not be had, in few words: reports count by it."""

    reason: str


@dataclass(frozen=True, slots=True)
class PictureReader:
    """Reads images by their addresses in a feed.

    Feeds come from others, so an address may only name a file below `folder`, one of `hosts` ("*": any) that has public
    addresses alone, or one of `private_hosts`, which may be of the own network. The addresses that were looked at are
    the ones that are connected to. Redirects are not followed. `max_bytes` of a file, `timeout_s` for each.
    """

    folder: Path
    hosts: tuple[str, ...] = ()
    private_hosts: tuple[str, ...] = ()
    max_bytes: int = 20_000_000
    timeout_s: float = 10.0

    def stamp(self, address: str) -> str:
        """Return what changes when the image in a file does: its size and time."""
        try:
            status = self._inside(address).stat()
        except (OSError, ValueError):
            return "missing"
        return f"{status.st_size} {status.st_mtime_ns}"

    def versions(self, known: Mapping[str, Version]) -> dict[str, Version]:
        """Ask web addresses which version of their image they have; those that do not answer are left out.

        Args:
            known: what each said last time; one that still has it is asked for no more.
        """
        with urllib3.PoolManager(maxsize=READERS, retries=False) as pool, ThreadPoolExecutor(READERS) as readers:
            asked = readers.map(lambda one: self._version(one, known[one], pool), known)
            return {address: found for address, found in zip(known, asked, strict=True) if found is not None}

    def read(self, addresses: Sequence[str]) -> list[bytes | PictureError]:
        """Return the images' bytes, or why there are none; as many, in the same order. Several are read at a time."""
        with urllib3.PoolManager(maxsize=READERS, retries=False) as pool, ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(lambda one: self._read(one, pool), addresses))

    def _read(self, address: str, pool: urllib3.PoolManager) -> bytes | PictureError:
        return self._download(address, pool) if is_web(address) else self._open(address)

    def _inside(self, address: str) -> Path:
        """Return the file that an address names. Raises _OutsideError, or ValueError for what names no file."""
        path = (self.folder / address).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise _OutsideError
        return path

    def _open(self, address: str) -> bytes | PictureError:
        try:
            path = self._inside(address)
            if not path.is_file():  # a pipe would be waited for
                return PictureError("no such file")
            return self._too_large() if path.stat().st_size > self.max_bytes else path.read_bytes()
        except _OutsideError:
            return PictureError("outside the folder of images")
        except (OSError, ValueError):
            return PictureError("no such file")

    def _version(self, address: str, known: Version, pool: urllib3.PoolManager) -> Version | None:
        try:
            place = parse_url(address)
            found = self._allowed(place)
            if isinstance(found, PictureError):
                return None
            timeout = urllib3.Timeout(total=self.timeout_s)
            with _request(pool, place, found, timeout, known.conditions()) as answer:
                if answer.status == 304:
                    return known
                told = answer.headers
                return Version(told.get("ETag", ""), told.get("Last-Modified", "")) if answer.status == 200 else None
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return None

    def _download(self, address: str, pool: urllib3.PoolManager) -> bytes | PictureError:
        end = time.monotonic() + self.timeout_s
        try:
            place = parse_url(address)
            found = self._allowed(place)
            if isinstance(found, PictureError):
                return found
            answer = _request(pool, place, found, urllib3.Timeout(total=self.timeout_s))
            with answer:
                if answer.status != 200:
                    return PictureError(f"HTTP {answer.status}")
                body = bytearray()
                while chunk := answer.read1(CHUNK_BYTES):  # as it comes, so that a server that drips is noticed
                    body += chunk
                    if len(body) > self.max_bytes:
                        return self._too_large()
                    if time.monotonic() > end:
                        return PictureError("timed out")
                return bytes(body)
        except urllib3.exceptions.NewConnectionError:  # which urllib3 counts among the timeouts
            return PictureError("cannot be reached")
        except urllib3.exceptions.TimeoutError:
            return PictureError("timed out")
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return PictureError("cannot be reached")

    def _allowed(self, place: Url) -> str | PictureError:
        """Return the address to connect to. Raises OSError when the host's name is not known."""
        host = _bare_host(place)
        private = host in self.private_hosts
        if not private and ANY_HOST not in self.hosts and host not in self.hosts:
            return PictureError("a host that [images] does not name")
        known = socket.getaddrinfo(host, place.port or PORTS[place.scheme or "http"], type=socket.SOCK_STREAM)
        addresses = [str(one[4][0]) for one in known]
        if not private and not all(map(is_public, addresses)):
            return PictureError("a host of a private network")
        return addresses[0]

    def _too_large(self) -> PictureError:
        return PictureError(f"larger than {self.max_bytes / 1e6:g} MB")


class _OutsideError(ValueError):
    """A path leads out of the folder of images."""


def is_web(address: str) -> bool:
    """Say whether an address is one of the web, not a file's."""
    return address.lower().startswith(("http://", "https://"))


def is_public(address: str) -> bool:
    """Say whether an IP address is reachable by everybody: not loopback, private, link-local or reserved, nor an IPv6
    form of such an IPv4 address."""
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if inner is None and found in NAT64:
            inner = IPv4Address(int(found) & 0xFFFFFFFF)
        found = inner or found
    return found.is_global and not found.is_multicast


def _bare_host(place: Url) -> str:
    return (place.host or "").strip("[]").lower()


def _request(
    pool: urllib3.PoolManager,
    place: Url,
    address: str,
    timeout: urllib3.Timeout,
    conditions: Mapping[str, str] = NO_CONDITIONS,
) -> urllib3.BaseHTTPResponse:
    """Ask the machine at `address` for what `place` names, and hold it to the host's name."""
    secure = place.scheme == "https"
    names = {"server_hostname": _bare_host(place), "assert_hostname": _bare_host(place)} if secure else {}
    connections = pool.connection_from_host(address, place.port, place.scheme, pool_kwargs=names)
    headers = {"Host": place.netloc or "", **conditions, **urllib3.util.make_headers(basic_auth=place.auth)}
    return connections.urlopen(
        "GET", place.request_uri, headers=headers, timeout=timeout, redirect=False, retries=False, preload_content=False
    )
