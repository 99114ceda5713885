"""A feed behind an HTTP(S) address: downloaded once a run, only when it changed, and on from where it broke off."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import urllib3

from ingest.document import DeadLetter, Record
from ingest.errors import FeedError
from ingest.feeds import Feed

CHUNK_BYTES = 1 << 16
CONNECT_S, READ_S = 10.0, 60.0
ATTEMPTS = 5
"""Tries to get the whole body; each goes on where the last one broke off."""

BUSY = (429, 500, 502, 503, 504)
VERSION = "version"


class WebFeed:
    """Reads a downloaded file with the reader of its format.

    The file stays below `downloads` with its ETag and Last-Modified, so that an unchanged feed costs one request.
    What the bookmark says was indexed is not read again, unless `always` (a run that needs all records at once).
    """

    def __init__(
        self,
        url: str,
        downloads: Path,
        reader: Callable[[Path, str], Feed],
        *,
        headers: Mapping[str, str] | None = None,
        always: bool = False,
        backoff_s: float = 1.0,
    ) -> None:
        """Read `url`; `reader` opens a downloaded file under the name that reports are to use."""
        address = urllib3.util.parse_url(url)
        if address.scheme not in ("http", "https") or not address.host:
            raise FeedError(f"{url} is no address of a feed; it begins with http:// or https://")
        self._headers = {**(headers or {}), "Accept-Encoding": "identity"}
        self._secrets = [*urllib3.Retry.DEFAULT_REMOVE_HEADERS_ON_REDIRECT, *(headers or {})]  # of that host alone
        if address.auth:
            self._headers |= urllib3.util.make_headers(basic_auth=address.auth)
        self._url = address._replace(auth=None).url
        self._reader = reader
        self._always = always
        self._backoff_s = backoff_s
        digest = hashlib.sha256(self._url.encode()).hexdigest()[:16]
        self._file = downloads / f"{digest}-{Path(address.path or '').name[-100:] or 'feed'}"
        self._seen: str | None = None
        self._feed: Feed | None = None
        self._state: dict[str, str] = {}
        self._done = False

    @property
    def name(self) -> str:
        """The address without user and password."""
        return self._url

    def progress(self) -> float:
        """Return the share of the downloaded file that was read."""
        return 1.0 if self._done else self._feed.progress() if self._feed else 0.0

    def resume(self, bookmark: Mapping[str, Any]) -> None:
        """Take the version that was indexed."""
        self._seen = bookmark.get(VERSION)

    def bookmark(self) -> dict[str, Any]:
        """Return the version of the file; that of the last run until this one was read to its end."""
        version = self._state.get(VERSION) if self._done else self._seen
        return {VERSION: version} if version else {}

    @property
    def whole(self) -> bool:
        """False when nothing changed and nothing was read."""
        return not self._unchanged

    @property
    def _unchanged(self) -> bool:
        return not self._always and self._seen is not None and self._state.get(VERSION) == self._seen

    def entries(self) -> Iterator[Record | DeadLetter]:
        """Download the file unless this object has, and read it; nothing when the bookmark's version is still there.

        Raises:
            FeedError: the address cannot be reached, refuses, or the file cannot be read.
        """
        if self._feed is None:
            try:
                self._state = self._download()
            except urllib3.exceptions.HTTPError as error:
                raise FeedError(f"cannot get {self._url}: {error}") from error
            except OSError as error:
                raise FeedError(f"cannot keep {self._url} in {self._file}: {error}") from error
            self._feed = self._reader(self._file, self._url)
        self._done = False
        if not self._unchanged:
            yield from self._feed.entries()
        self._done = True

    def _download(self) -> dict[str, str]:
        """Bring the file up to date; return its validators and version."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        kept = _read_json(self._beside(".json")) if self._file.is_file() else {}
        retries = urllib3.Retry(
            4,
            backoff_factor=self._backoff_s,
            status_forcelist=BUSY,
            raise_on_status=False,
            remove_headers_on_redirect=self._secrets,
        )
        with urllib3.PoolManager(retries=retries, timeout=urllib3.Timeout(CONNECT_S, READ_S)) as pool:
            for attempt in range(ATTEMPTS):
                try:
                    return self._fetch(pool, kept)
                except (urllib3.exceptions.ProtocolError, urllib3.exceptions.ReadTimeoutError):
                    if attempt == ATTEMPTS - 1:
                        raise
        raise AssertionError("unreachable")

    def _fetch(self, pool: urllib3.PoolManager, kept: Mapping[str, str]) -> dict[str, str]:
        part = self._beside(".part")
        begun = _read_json(self._beside(".part.json"))
        have = part.stat().st_size if part.is_file() else 0
        answer = pool.request(
            "GET",
            self._url,
            headers=self._headers | (_resuming(begun, have) or _conditions(kept)),
            preload_content=False,
        )
        with answer:
            if answer.status == 304:
                return dict(kept)
            if answer.status == 416 and have:
                part.unlink()
                return self._fetch(pool, kept)
            if answer.status not in (200, 206):
                raise FeedError(f"cannot get {self._url}: HTTP {answer.status} {answer.reason or ''}".rstrip())
            state = {name: answer.headers[name] for name in ("ETag", "Last-Modified") if name in answer.headers}
            self._beside(".part.json").write_text(json.dumps(state), encoding="utf-8")
            with part.open("ab" if answer.status == 206 and have else "wb") as out:
                for chunk in answer.stream(CHUNK_BYTES, decode_content=False):
                    out.write(chunk)
        state[VERSION] = state.get("ETag") or state.get("Last-Modified") or _sha256(part)
        self._beside(".json").unlink(missing_ok=True)  # the old state must not stand beside the new file
        part.replace(self._file)
        self._beside(".json").write_text(json.dumps(state), encoding="utf-8")
        self._beside(".part.json").unlink(missing_ok=True)
        return state

    def _beside(self, suffix: str) -> Path:
        return self._file.with_name(self._file.name + suffix)


def _resuming(begun: Mapping[str, str], have: int) -> dict[str, str]:
    """Return the headers that ask for the rest of a file; none when no validator says that it is the same file."""
    validator = begun.get("ETag") or begun.get("Last-Modified")
    if not have or not validator or validator.startswith("W/"):
        return {}
    return {"Range": f"bytes={have}-", "If-Range": validator}


def _conditions(kept: Mapping[str, str]) -> dict[str, str]:
    asked = {"If-None-Match": kept.get("ETag"), "If-Modified-Since": kept.get("Last-Modified")}
    return {name: value for name, value in asked.items() if value}


def _read_json(path: Path) -> dict[str, str]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
