"""Translate phrase by phrase: a shop's glossary first, then dictionaries, numbers and brands as they are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rerank.protocols import Translation
from rerank.translation.decode import Piece, Prices, Pricing, decode
from rerank.translation.keep import kept
from rerank.translation.lattice import DROPPED, KEEP, PROTECTED, build_lattice
from rerank.translation.source import NamedSource
from rerank.translation.words import normalize
from rerank.understanding.vocabulary import UNSPACED_LANGUAGES, Vocabulary


@dataclass(frozen=True, slots=True)
class PhraseTranslator:
    """Covers a text with the phrases its sources know, the cheapest way by the catalogue's statistics.

    `sources` gives the sources of a pair, exclusive ones first.
    """

    name: str
    version: str
    available: frozenset[tuple[str, str]]
    sources: Callable[[str, str], Sequence[NamedSource]]
    vocabulary: Vocabulary | None = None
    prices: Prices = field(default_factory=Prices)

    def pairs(self) -> frozenset[tuple[str, str]]:
        """Return the pairs that a source knows."""
        return self.available

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        """Translate each text; one in which nothing can be translated is kept."""
        if (source, target) not in self.available:
            return [kept(text) for text in texts]
        named = self.sources(source, target)
        pricing = Pricing(self.prices, self.vocabulary, target)
        return [_translate(text, source, target, named, pricing) for text in texts]


def _translate(text: str, source: str, target: str, named: Sequence[NamedSource], pricing: Pricing) -> Translation:
    normal = normalize(text)
    atoms, spans = build_lattice(normal, source, named, pricing.keep, pricing.prices.drop)
    pieces = decode(spans, pricing)
    engines = {piece.option.source for piece in pieces} - {KEEP, PROTECTED, DROPPED}
    if not engines:
        return kept(text)
    total = sum(atom.end - atom.start for atom in atoms)
    left = sum(piece.span.end - piece.span.start for piece in pieces if piece.option.source == KEEP)
    order = [source.name for source in named if source.name in engines]
    return Translation(_render(normal, pieces, target), "+".join(dict.fromkeys(order)), round(1 - left / total, 3))


def _render(text: str, pieces: Sequence[Piece], target: str) -> str:
    """Join the chosen translations, keeping what stood between the spans."""
    out: list[str] = []
    end = 0
    for piece in pieces:
        between = text[end : piece.span.start]
        glue = "" if target in UNSPACED_LANGUAGES else " "
        out.append(between if between.strip() else glue)
        out.append(piece.option.text)
        end = piece.span.end
    out.append(text[end:])
    return " ".join("".join(out).split())
