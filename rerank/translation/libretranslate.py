"""Translation by a service that speaks LibreTranslate's HTTP API, on this machine or elsewhere."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import urllib3

from rerank.errors import TranslationError
from rerank.protocols import Translation
from rerank.translation.keep import kept

BATCH_TEXTS = 50
BATCH_CHARS = 5000
"""Of one request; public services refuse longer ones."""

CONFIDENCE = 0.8
"""The API does not say how sure it is."""

BUSY = (429, 500, 502, 503, 504)


class LibreTranslate:
    """Asks `POST /translate` in batches; which pairs there are, `GET /languages` says once. Safe among threads."""

    name = "libretranslate"

    def __init__(
        self, url: str, *, api_key: str | None = None, timeout_s: float = 30.0, retries: int = 3, backoff_s: float = 0.5
    ) -> None:
        """Use the service at `url`; nothing is asked yet.

        Raises:
            TranslationError: `url` is no http or https address.
        """
        if not url.startswith(("http://", "https://")):
            raise TranslationError(f"{url} is no address of a translation service; it begins with http:// or https://")
        self._url = url.rstrip("/")
        self._key = {"api_key": api_key} if api_key else {}
        retry = urllib3.Retry(
            retries, backoff_factor=backoff_s, status_forcelist=BUSY, allowed_methods=None, raise_on_status=False
        )
        self._pool = urllib3.PoolManager(retries=retry, timeout=urllib3.Timeout(timeout_s))

    @cached_property
    def _targets(self) -> Mapping[str, tuple[str, ...]]:
        """What each source language is translated into."""
        answer = self._ask("GET", "/languages", None)
        try:
            return {one["code"]: tuple(one["targets"]) for one in answer}
        except (KeyError, TypeError) as error:
            raise TranslationError(f"{self._url}/languages does not list languages and their targets") from error

    @property
    def version(self) -> str:
        """Changes with the service and its languages; the API does not tell its models apart."""
        state = json.dumps([self._url, {code: list(targets) for code, targets in self._targets.items()}])
        return hashlib.sha256(state.encode()).hexdigest()[:12]

    def pairs(self) -> frozenset[tuple[str, str]]:
        """Return the service's pairs. Raises TranslationError when it cannot be asked."""
        return frozenset((code, one) for code, targets in self._targets.items() for one in targets if one != code)

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        """Translate each text; white space alone is kept.

        Raises:
            TranslationError: the service cannot be reached, refuses, or does not answer each text.
        """
        if (source, target) not in self.pairs():
            return [kept(text) for text in texts]
        result = [kept(text) for text in texts]
        wanted = [place for place, text in enumerate(texts) if text.strip()]
        for batch in _batches(texts, wanted):
            made = self._translate([texts[place] for place in batch], source, target)
            for place, text in zip(batch, made, strict=True):
                result[place] = Translation(text, self.name, CONFIDENCE) if text.strip() else result[place]
        return result

    def _translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        body = {"q": list(texts), "source": source, "target": target, "format": "text", **self._key}
        answer = self._ask("POST", "/translate", body)
        made = answer.get("translatedText") if isinstance(answer, dict) else None
        if not isinstance(made, list) or len(made) != len(texts) or not all(isinstance(one, str) for one in made):
            raise TranslationError(f"{self._url}/translate did not answer {len(texts)} texts with as many translations")
        return made

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        try:
            answer = (
                self._pool.request(method, self._url + path, json=body)
                if body
                else self._pool.request(method, self._url + path)
            )
        except urllib3.exceptions.HTTPError as error:
            raise TranslationError(f"{self._url} cannot be reached: {error}") from error
        try:
            content = answer.json()
        except ValueError as error:
            raise TranslationError(f"{self._url}{path} answered HTTP {answer.status} without JSON") from error
        if answer.status != 200:
            reason = content.get("error", "") if isinstance(content, dict) else ""
            raise TranslationError(f"{self._url}{path} answered HTTP {answer.status}: {reason}")
        return content


def _batches(texts: Sequence[str], places: Sequence[int]) -> list[list[int]]:
    """Group places so that the texts of a group fit one request."""
    batches: list[list[int]] = []
    chars = 0
    for place in places:
        if not batches or len(batches[-1]) >= BATCH_TEXTS or chars + len(texts[place]) > BATCH_CHARS:
            batches.append([])
            chars = 0
        batches[-1].append(place)
        chars += len(texts[place])
    return batches
