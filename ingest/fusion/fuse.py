"""Batches of records into batches of products."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from ingest.document import Document
from ingest.fusion.config import FusionRules
from ingest.fusion.match import CERTAIN, contradict, match
from ingest.fusion.merge import lead, merge
from ingest.fusion.store import FusionStore
from ingest.fusion.traits import Traits, exact_keys, near_keys, traits_of, vector_keys
from rerank.protocols import Vectors

Vectorize = Callable[[Sequence[Document]], Vectors]
"""Vectors of documents that can be compared across languages: float32, unit L2 norm, a row a document."""

MARGIN = 0.02
"""How much more like a record must be than its rivals."""


@dataclass(slots=True)
class FusionTally:
    """What fusion did: joins by evidence, matches that a cluster's other members forbade, and keys that too many
    records share to compare them."""

    records: int = 0
    products: int = 0
    joined: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    crowded_keys: int = 0


@dataclass(frozen=True, slots=True)
class Fused:
    """Products, and how many records they were made of."""

    products: Sequence[Document]
    records: int


class Fusion:
    """Takes documents in, gives products out. Documents are kept on disk in between; memory does not grow with them.

    The result does not depend on the order of the documents, but for two of one source and id, of which the later
    one stands. A product has at most one record of each source.
    """

    def __init__(self, rules: FusionRules, vectorize: Vectorize | None = None) -> None:
        self._rules = rules
        self._vectorize = vectorize if rules.config.vectors else None
        self._store = FusionStore()
        self.tally = FusionTally()

    def add(self, documents: Sequence[Document]) -> None:
        """Take cleaned documents with their languages."""
        vectors = list(self._vectorize(documents)) if self._vectorize is not None else [None] * len(documents)
        known = [traits_of(one, vector) for one, vector in zip(documents, vectors, strict=True)]
        self._store.add((one, traits, self._keys(traits)) for one, traits in zip(documents, known, strict=True))
        self.tally.records += len(documents)

    @property
    def replaced(self) -> int:
        """How many records repeated the source and id of an earlier one."""
        return self._store.replaced

    def products(self, size: int) -> Iterator[Fused]:
        """Match all that was added; give the products, `size` at a time."""
        self._resolve()
        chunk: list[Document] = []
        records = 0
        for group in self._store.clusters():
            chunk.append(self._named(merge(group, self._rules), group))
            records += len(group)
            if len(chunk) == size:
                yield Fused(chunk, records)
                chunk, records = [], 0
            self.tally.products += 1
        if chunk:
            yield Fused(chunk, records)

    def close(self) -> None:
        """Remove what is on disk."""
        self._store.close()

    def _keys(self, traits: Traits) -> list[str]:
        near = near_keys(traits) if self._rules.config.near_duplicates else []
        return [*exact_keys(traits), *near, *vector_keys(traits)]

    def _resolve(self) -> None:
        """Find the matches, and join them from the best to the worst where nothing forbids it."""
        store = self._store
        store.index_clusters()
        for one, left, other, right in store.candidates():
            found = match(left, right, self._rules.config)
            if found is not None:
                store.add_pair(one, other, *found)
        for one, other, evidence, score in store.pairs():
            if store.cluster(one) == store.cluster(other):
                continue
            if self._allowed(one, other) and not (evidence not in CERTAIN and self._ambiguous(one, other, score)):
                store.join(store.cluster(one), store.cluster(other))
                self.tally.joined[evidence] += 1
            else:
                self.tally.refused += 1
        self.tally.crowded_keys = store.crowded

    def _allowed(self, one: int, other: int) -> bool:
        """Say whether the clusters of two records may become one: no source in both, and no known codes against each
        other."""
        left, right = (self._store.members(self._store.cluster(record)) for record in (one, other))
        if {traits.source for traits in left} & {traits.source for traits in right}:
            return False
        codes = [frozenset(code for traits in side for code in traits.gtins) for side in (left, right)]
        return not contradict(codes[0], codes[1])

    def _ambiguous(self, one: int, other: int, score: float) -> bool:
        """Say whether either record is as like another record of the other's source, which has no partner yet: titles
        such as "Toner cartridge, black" name several products, and which of them is meant nobody can say."""
        for record, partner in ((one, other), (other, one)):
            own = {traits.source for traits in self._store.members(self._store.cluster(record))}
            for rival in self._store.rivals(record, partner, score - MARGIN):
                if not own & {traits.source for traits in self._store.members(rival)}:
                    return True
        return False

    def _named(self, product: Document, group: Sequence[Document]) -> Document:
        """Give a product an id of its own: the first record's, behind its source's name when another product's source
        of higher rank has that id, too."""
        source = lead(group, self._rules).record.origin
        others = [name for name in self._store.sources_with(product.id) if name != source]
        if {one.record.origin for one in group if one.id == product.id} == {source, *others}:
            return product
        first = min([source, *others], key=lambda name: (-self._rules.rank(name).priority, name))
        return product if first == source else replace(product, id=f"{source}:{product.id}")
