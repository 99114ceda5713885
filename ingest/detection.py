"""What the ingest asks of a language detector."""

from collections.abc import Sequence
from typing import Protocol

from rerank.protocols import Detection


class PriorDetector(Protocol):
    """A detector that can be told which language is likely."""

    def detect(self, texts: Sequence[str], *, prior: str | None = None) -> list[Detection]:
        """Detect the language of each text; `prior` tips short ones."""
        ...
