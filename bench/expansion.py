"""Whether expansions learned from judged products help: BM25 with and without them, five-fold over the visible queries.

    python -m bench.expansion --data ../shared/data/chorus-icecat [--synonyms FILE]

For each fold, `learn_associations` sees the judged products (relevance 2 and more) of the other folds' queries and of
the training queries whose words are not a held-out query's; expansions are added as BM25 terms with their weight times
a factor. `--synonyms` measures a Solr or WordNet file in the same way. BM25 is computed here, in memory, over title,
brand and text: it tells whether the words help a lexical search, not what they do behind vectors and a reranker.
"""

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from rerank.evaluation.judgements import JudgedQuery, Judgement, open_text, read_qrels, read_queries
from rerank.evaluation.metrics import compare, mean, per_query
from rerank.understanding.expansion import Associations, expand, learn_associations
from rerank.understanding.judged_products import judged_titles
from rerank.understanding.synonyms import Synonyms, read_synonyms
from rerank.understanding.vocabulary import catalogue_terms

FOLDS = 5
FACTORS = (0.5, 1.0, 2.0, 4.0)
MEASURE = "nDCG@10"
K1, B = 1.2, 0.75


@dataclass(frozen=True)
class Catalogue:
    """BM25 weights, documents by terms; `titles` by document id."""

    ids: Sequence[str]
    titles: Mapping[str, str]
    columns: Mapping[str, int]
    weights: csr_matrix

    def rank(self, terms: Mapping[str, float], count: int = 50) -> list[str]:
        """Return the best documents for weighted terms."""
        query = np.zeros(len(self.columns))
        for term, weight in terms.items():
            if term in self.columns:
                query[self.columns[term]] += weight
        scores = self.weights @ query
        best = np.argsort(-scores, kind="stable")[:count]
        return [self.ids[place] for place in best if scores[place] > 0]


def read_catalogue(path: Path) -> Catalogue:
    """Count terms and weigh them.

    Source: Robertson, Zaragoza, 2009, The Probabilistic Relevance Framework: BM25 and Beyond.
    """
    ids, titles, rows, places, columns = [], {}, [], [], dict[str, int]()
    with open_text(path) as lines:
        for row, line in enumerate(lines):
            item = json.loads(line)
            ids.append(item["id"])
            titles[item["id"]] = item["title"]
            text = " ".join(filter(None, (item["title"], item.get("brand"), item.get("text"))))
            terms = catalogue_terms("en", text)
            rows += [row] * len(terms)
            places += [columns.setdefault(term, len(columns)) for term in terms]
    counts = csr_matrix((np.ones(len(rows)), (rows, places)), shape=(len(ids), len(columns)))
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    documents = np.asarray((counts > 0).sum(axis=0)).ravel()
    idf = np.log(1 + (len(ids) - documents + 0.5) / (documents + 0.5))
    coordinates = counts.tocoo()
    norm = K1 * (1 - B + B * lengths / lengths.mean())
    weights = idf[coordinates.col] * coordinates.data * (K1 + 1) / (coordinates.data + norm[coordinates.row])
    return Catalogue(ids, titles, columns, csr_matrix((weights, (coordinates.row, coordinates.col)), counts.shape))


def terms_of(query: str, associations: Associations, synonyms: Sequence[Synonyms], factor: float) -> dict[str, float]:
    """Return the query's terms with weight 1, and those of its expansions with theirs times `factor`."""
    weighted = dict.fromkeys(catalogue_terms("en", query), 1.0)
    kinds = ("synonyms", "catalogue")
    for item in expand(query, "en", kinds, lambda language: synonyms, lambda language: associations):
        for term in catalogue_terms("en", item.text):
            weighted.setdefault(term, factor * item.weight)
    return weighted


def read_training(path: Path) -> tuple[dict[str, str], list[Judgement]]:
    """Read the training queries' judgements, which hold the queries."""
    with open_text(path) as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    queries = {row["query_id"]: row["query"] for row in rows}
    return queries, [Judgement(row["query_id"], row["doc_id"], int(row["relevance"])) for row in rows]


def folds(queries: Sequence[JudgedQuery]) -> list[list[JudgedQuery]]:
    """Deal queries out to folds, by a fixed shuffle."""
    order = np.random.default_rng(20).permutation(len(queries))
    return [[queries[place] for place in order[start::FOLDS]] for start in range(FOLDS)]


def run(data: Path, synonyms: Sequence[Synonyms]) -> None:
    catalogue = read_catalogue(data / "corpus.jsonl.gz")
    judgements = read_qrels(data / "qrels-pooled.tsv.gz")
    judged = {item.query_id for item in judgements if item.relevance > 0}
    queries = [query for query in read_queries(data / "queries.jsonl.gz") if query.query_id in judged]
    train_queries, train_judgements = read_training(data / "train-judged.tsv.gz")
    training = judged_titles(train_judgements, catalogue.titles)
    visible = judged_titles(judgements, catalogue.titles)
    texts = {query.query_id: query.text for query in queries}
    runs: dict[float, dict[str, list[str]]] = {factor: {} for factor in (0.0, *FACTORS)}
    expanded = 0
    for held in folds(queries):
        out = {query.query_id for query in held}
        known = {tuple(sorted(catalogue_terms("en", query.text))) for query in held}
        pairs = [(texts[name], titles) for name, titles in visible.items() if name in texts and name not in out]
        pairs += [
            (train_queries[name], titles)
            for name, titles in training.items()
            if tuple(sorted(catalogue_terms("en", train_queries[name]))) not in known
        ]
        associations: Associations = {} if synonyms else learn_associations(pairs, "en")
        for query in held:
            expanded += len(terms_of(query.text, associations, synonyms, 1.0)) > len(terms_of(query.text, {}, (), 1.0))
            for factor, ranking in runs.items():
                terms = terms_of(query.text, associations if factor else {}, synonyms if factor else (), factor)
                ranking[query.query_id] = catalogue.rank(terms)
    wanted = [item for item in judgements if item.query_id in texts]
    plain = per_query(runs[0.0], wanted)[MEASURE]
    print(json.dumps({"queries": len(queries), "expanded": expanded, "bm25": round(mean(plain), 4)}))
    for factor in FACTORS:
        values = per_query(runs[factor], wanted)[MEASURE]
        found = compare(values, plain)
        print(
            json.dumps(
                {
                    "factor": factor,
                    MEASURE: round(mean(values), 4),
                    "delta": round(found.delta, 4),
                    "p": round(found.p_permutation, 4),
                    "wins": found.wins,
                    "losses": found.losses,
                }
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--synonyms", type=Path)
    options = parser.parse_args()
    if not options.data.exists():
        raise SystemExit(f"{options.data} is not here; nothing was measured")
    run(options.data, [read_synonyms(options.synonyms)] if options.synonyms else [])


if __name__ == "__main__":
    main()
