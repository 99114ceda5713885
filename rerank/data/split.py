"""Training pairs split by query into train, dev and test, and what leaks between the parts."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from rerank.data.near import NEAR, group_queries, query_key
from rerank.training.pairs import TrainingPair
from rerank.training.recipe import TrainingError
from rerank.understanding.vocabulary import split_words

Part = Literal["train", "dev", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
Split = dict[Part, list[TrainingPair]]

_VARIANT = re.compile(
    r"\d+(?:[.,]\d+)?(?:gb|tb|mb|ghz|mhz|w|mm|cm|m|ml|l|kg|g|v|mah|inch|zoll|pack)?|xs|s|m|l|xl|xxl"
    r"|black|white|grey|gray|silver|red|blue|green|yellow|pink|gold|cyan|magenta|orange|brown|purple|beige"
)
"""Words of a title that tell the variants of one product apart: sizes, measures, colours."""


@dataclass(frozen=True, slots=True)
class Leaks:
    """What dev and test share with train: queries by their key, near-duplicate queries, and product families.

    Families are counted by the dev and test pairs whose product has a grade above 0 and is, in some variant, an answer
    (grade above 0) to a training query, too.
    """

    queries: int
    near_queries: int
    families: int


def family(fields: Mapping[str, str], field: str | None = None) -> str:
    """Return what the variants of a product share: a field's value, or brand and title without size and colour.

    Empty when it says nothing.
    """
    if field is not None:
        return fields.get(field, "").strip().casefold()
    words = split_words(f"{fields.get('brand', '')} {fields.get('title', '')}")
    return " ".join(dict.fromkeys(word for word in words if not _VARIANT.fullmatch(word)))


def split_pairs(
    pairs: Sequence[TrainingPair], *, dev: float = 0.1, test: float = 0.1, near: float = NEAR, seed: int = 1
) -> Split:
    """Deal groups of near-duplicate queries to the parts until each has about its share of the queries.

    Every query is in one part whole, every pair in exactly one; the order of the pairs is kept within a part. The
    same pairs and seed give the same split, in whatever order the pairs come.

    Args:
        pairs: at least one.
        dev: share of the queries, 0 to below 1; with 0 the part is empty.
        test: as `dev`; together below 1.
        near: see `group_queries`.
        seed: of the dealing.

    Raises:
        TrainingError: the shares are impossible, or there are too few groups to give each part one.
    """
    shares: dict[Part, float] = {"dev": dev, "test": test, "train": 1.0 - dev - test}
    if min(dev, test) < 0.0 or shares["train"] <= 0.0:
        raise TrainingError(f"shares of {dev} for dev and {test} for test leave nothing to train on")
    groups: dict[int, list[str]] = defaultdict(list)
    queries = sorted({pair.query for pair in pairs})
    for query, group in zip(queries, group_queries(queries, near), strict=True):
        groups[group].append(query)
    wanted: list[Part] = [part for part in shares if shares[part] > 0.0]
    if len(groups) < len(wanted):
        raise TrainingError(f"{len(groups)} groups of queries cannot fill {len(wanted)} parts; more queries are needed")
    part_of = _deal(list(groups.values()), {part: shares[part] for part in wanted}, seed)
    parts: Split = {part: [] for part in PARTS}
    for pair in pairs:
        parts[part_of[pair.query]].append(pair)
    return parts


def _deal(groups: list[list[str]], shares: Mapping[Part, float], seed: int) -> dict[str, Part]:
    """Give each group, the largest first, to the part that lacks most of its share; none goes empty."""
    groups.sort()
    random.Random(seed).shuffle(groups)
    groups.sort(key=len, reverse=True)
    total = sum(map(len, groups))
    counts: Counter[Part] = Counter()
    dealt: dict[str, Part] = {}
    for number, group in enumerate(groups):
        left = len(groups) - number
        empty = [part for part in shares if not counts[part]]
        open_to = empty if left <= len(empty) else list(shares)
        part = max(open_to, key=lambda name: shares[name] * total - counts[name])
        counts[part] += len(group)
        dealt.update(dict.fromkeys(group, part))
    return dealt


def leaks(parts: Split, *, near: float = NEAR, family_field: str | None = None) -> Leaks:
    """Count what dev and test have in common with train. A split by `split_pairs` shares families alone."""
    held_out = [*parts["dev"], *parts["test"]]
    train_queries = {pair.query for pair in parts["train"]}
    other_queries = {pair.query for pair in held_out}
    keys = {query_key(query) for query in train_queries}
    same = sum(query_key(query) in keys for query in other_queries)
    queries = sorted(train_queries | other_queries)
    groups = dict(zip(queries, group_queries(queries, near), strict=True))
    train_groups = {groups[query] for query in train_queries}
    alike = sum(groups[query] in train_groups for query in other_queries)
    taught = _answers(parts["train"], family_field)
    shared = sum(pair.relevance > 0 and family(pair.fields, family_field) in taught for pair in held_out)
    return Leaks(same, alike, shared)


def without_families(parts: Split, family_field: str | None = None) -> Split:
    """Return the split with those training pairs gone whose product's family answers a query of dev or test."""
    kept_out = _answers([*parts["dev"], *parts["test"]], family_field)
    train = [pair for pair in parts["train"] if family(pair.fields, family_field) not in kept_out]
    return {**parts, "train": train}


def _answers(pairs: Sequence[TrainingPair], field: str | None) -> frozenset[str]:
    return frozenset(family(pair.fields, field) for pair in pairs if pair.relevance > 0) - {""}


def split_facts(parts: Split, found: Leaks) -> dict[str, object]:
    """Return what the data card says of a split."""
    queries = {part: len({pair.query for pair in pairs}) for part, pairs in parts.items()}
    return {"pairs": {part: len(pairs) for part, pairs in parts.items()}, "queries": queries, "leaks": asdict(found)}
