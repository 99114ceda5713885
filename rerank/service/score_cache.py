"""Scores that a model has given already, so that a repeated query costs no model run.

The key is a digest of the bundle's fingerprint (which covers its files, template, prefixes and calibration) and of the
tokens of the pair: exactly what shapes the score. What the tokenizer does not tell apart (case, spaces) shares an
entry; a document that changed in what the template reads is another pair, and one that changed elsewhere is the same.
So nothing has to be invalidated, and nothing that is found can be stale.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from rerank.tokenize import Tokens

ENTRY_BYTES = 180
"""Of one score in CPython 3.11: digest, float, place in an ordered dict (`tracemalloc`, 100,000 entries: 178 each)."""
_DIGEST_BYTES = 16


class ScoreCache:
    """Keeps the scores used last within a number of bytes. Thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        """Start empty; `max_bytes` under `ENTRY_BYTES` keeps nothing."""
        self._capacity = max_bytes // ENTRY_BYTES
        self._scores: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    @property
    def enabled(self) -> bool:
        """Whether it keeps anything."""
        return self._capacity > 0

    @property
    def size_bytes(self) -> int:
        """What it takes now."""
        return len(self._scores) * ENTRY_BYTES

    def keys(self, fingerprint: str, pairs: Sequence[Tokens]) -> list[bytes]:
        """Return the key of each tokenized pair under a bundle."""
        start = hashlib.blake2b(fingerprint.encode(), digest_size=_DIGEST_BYTES)
        return [_key(start.copy(), pair) for pair in pairs]

    def find(self, keys: Sequence[bytes]) -> list[float | None]:
        """Return each known score, None where there is none, and count both."""
        with self._lock:
            found = [self._scores.get(key) for key in keys]
            for key, score in zip(keys, found, strict=True):
                if score is not None:
                    self._scores.move_to_end(key)
            known = sum(score is not None for score in found)
            self.hits += known
            self.misses += len(found) - known
        return found

    def holds(self, key: bytes) -> bool:
        """Say whether a score is known; counts as no use of it."""
        return key in self._scores

    def keep(self, keys: Sequence[bytes], scores: Sequence[float]) -> None:
        """Keep scores; those used longest ago make room."""
        with self._lock:
            for key, score in zip(keys, scores, strict=True):
                self._scores[key] = score
                self._scores.move_to_end(key)
            while len(self._scores) > self._capacity:
                self._scores.popitem(last=False)


def _key(digest: "hashlib.blake2b", pair: Tokens) -> bytes:
    digest.update(np.asarray(pair.ids, np.int32).tobytes())
    digest.update(np.asarray(pair.segments, np.int8).tobytes())
    return digest.digest()
