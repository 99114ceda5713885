"""Synonym files, what judged products teach, and which expansions a query gets."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from rerank.cli import main
from rerank.errors import ResourceError
from rerank.evaluation.judgements import JudgementError
from rerank.resources import Resources
from rerank.understanding.associations import read_associations, write_associations
from rerank.understanding.expansion import Associations, Expansion, expand, learn_associations, likelihood_ratio
from rerank.understanding.judged_products import read_titles
from rerank.understanding.synonyms import Synonyms, read_synonyms

SOLR = r"""
# furniture
couch, sofa, settee
TV => television, telly
wi-fi\, wireless => wlan
"""
WORDNET = """
s(102958343,1,'car',n,1,71).
s(102958343,2,'auto',n,1,2).
s(102958343,3,'motor_car',n,1,0).
s(200000001,1,'children''s',n,1,0).
s(200000001,2,'kids',n,1,0).
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_solr_s_format(tmp_path: Path) -> None:
    found = read_synonyms(written(tmp_path, "en.txt", SOLR))
    assert found.of("sofa") == ("couch", "settee")
    assert found.of("tv") == ("television", "telly")
    assert found.of("television") == ()
    assert found.of("wi-fi, wireless") == ("wlan",)


def test_wordnet_s_format(tmp_path: Path) -> None:
    found = read_synonyms(written(tmp_path, "en.pl", WORDNET))
    assert found.of("car") == ("auto", "motor car")
    assert found.of("motor car") == ("car", "auto")
    assert found.of("kids") == ("children's",)
    assert found.longest == 2


@pytest.mark.parametrize(("name", "text"), [("en.txt", "couch"), ("en.txt", "a =>"), ("en.pl", "s(1,'car').")])
def test_a_wrong_line_is_named(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(ResourceError, match="line 2"):
        read_synonyms(written(tmp_path, name, f"\n{text}\n"))


def test_likelihood_ratio_is_zero_for_independent_words() -> None:
    assert likelihood_ratio(10, 20, 50, 100) == pytest.approx(0.0, abs=1e-9)
    both = 2 * (10 * math.log(10 * 20 / (10 * 10)) + 10 * math.log(10 * 20 / (10 * 10)))
    assert likelihood_ratio(10, 10, 10, 20) == pytest.approx(both)


JUDGED: list[tuple[str, Sequence[str]]] = [
    ("notebook", [f"Acme laptop {number} gb" for number in range(30)]),
    ("shoes", [f"Running sneaker for men {number}" for number in range(30)]),
]


def test_judged_products_teach_what_goes_with_what(tmp_path: Path) -> None:
    learned = learn_associations(JUDGED, "en")
    assert ("laptop", 1.0) in learned["notebook"]
    assert "for" not in dict(learned["shoe"])
    path = write_associations(tmp_path, "shop", {"en": learned})
    assert read_associations(path) == {"en": {term: list(others) for term, others in learned.items()}}


def test_chance_teaches_nothing() -> None:
    assert learn_associations([("notebook", ["red box", "blue box"]), ("shoes", ["red box", "blue box"])], "en") == {}


SYNONYMS = [Synonyms({"couch": ("sofa", "red couch"), "wireless mouse": ("cordless mouse",)}, longest=2)]
LEARNED: Associations = {"couch": [("cushion", 0.8)], "red couch": [("velvet", 0.4)]}


def expanded(text: str, *kinds: str) -> list[Expansion]:
    return expand(text, "en", kinds, lambda language: SYNONYMS, lambda language: LEARNED)


def test_each_expansion_says_for_what_and_from_where() -> None:
    assert expanded("red couch", "synonyms") == [Expansion("sofa", "couch", "en", "synonyms", 0.5)]
    assert expanded("red couch", "catalogue") == [
        Expansion("cushion", "couch", "en", "catalogue", 0.08),
        Expansion("velvet", "red couch", "en", "catalogue", 0.04),
    ]
    assert [item.text for item in expanded("wireless mouse", "synonyms", "catalogue")] == ["cordless mouse"]


def test_without_a_kind_there_is_none() -> None:
    assert expanded("red couch") == []


def test_the_resources_folder_has_files_by_language(tmp_path: Path) -> None:
    written(tmp_path, "synonyms/de.txt", "sofa, couch\n")
    written(tmp_path, "synonyms/de-shop.txt", "handy => smartphone\n")
    written(tmp_path, "synonyms/den.txt", "a, b\n")
    resources = Resources(tmp_path, recheck_seconds=0)
    assert [file.of("handy") for file in resources.synonyms("de")] == [("smartphone",), ()]
    written(tmp_path, "synonyms/de-shop.txt", "handy => mobiltelefon\n")
    assert resources.synonyms("de")[0].of("handy") == ("mobiltelefon",)
    written(tmp_path, "synonyms/de-shop.txt", "handy\n")
    assert resources.synonyms("de")[0].of("handy") == ("mobiltelefon",), "a file that broke is as it was"
    write_associations(tmp_path, "shop", {"en": LEARNED})
    assert dict(resources.associations("shop", "en"))["couch"] == [("cushion", 0.8)]
    assert resources.associations("other", "en") == {}


def test_the_command_learns_from_files_and_the_service_s_resources_see_it(tmp_path: Path) -> None:
    rows = [f'{{"id": "{number}", "title": "{title}"}}' for number, (_, title) in enumerate(judged_rows())]
    corpus = written(tmp_path, "corpus.jsonl", "\n".join(rows) + "\n")
    queries = written(tmp_path, "queries.tsv", "q1\tnotebook\nq2\tshoes\n")
    names = {"notebook": "q1", "shoes": "q2"}
    lines = [f"{names[query]}\t{number}\t2" for number, (query, _) in enumerate(judged_rows())]
    qrels = written(tmp_path, "qrels.tsv", "\n".join(["query_id\tdoc_id\trelevance", *lines]) + "\n")
    resources = tmp_path / "resources"
    command = ["expansions", "--queries", queries, "--qrels", qrels, "--corpus", corpus, "--index", "shop"]
    done = CliRunner().invoke(main, [str(word) for word in [*command, "--resources", resources]])
    assert done.exit_code == 0, done.output
    assert ("laptop", 1.0) in Resources(resources).associations("shop", "en")["notebook"]


def judged_rows() -> list[tuple[str, str]]:
    return [(query, title) for query, titles in JUDGED for title in titles]


def test_a_corpus_with_a_broken_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(JudgementError, match="line 2"):
        read_titles(written(tmp_path, "corpus.jsonl", '{"id": "1", "title": "a"}\n[]\n'))
