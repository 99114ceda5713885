from pathlib import Path

import pytest

from rerank.errors import ResourceError
from rerank.translation.freedict import Entry, find_freedicts, parse_entry
from tests.rerank.translation.small_dictionary import write_small_dictionaries


@pytest.mark.parametrize(
    ("article", "headwords", "senses"),
    [
        pytest.param(
            "Akut-Zeichen /ˈɑkuːt/ (´) <neut, n, sg>\n [print] acute accent <n>, acute <n>´\n   Synonym: {Akut}\n\n",
            ("akut-zeichen",),
            (("acute accent", "acute"),),
            id="Ding: pronunciation, grammar, remark and synonym are not words",
        ),
        pytest.param(
            "abaissement /abɛsəmɑ̃/ <n, masc>\n1. abasement\n2. decrease, lowering\n",
            ("abaissement",),
            (("abasement",), ("decrease", "lowering")),
            id="numbered senses",
        ),
        pytest.param(
            "racecourse /ɹeɪs/ <n>\n競馬場\n(UK) a racetrack where races are run\n",
            ("racecourse",),
            (("競馬場",),),
            id="WikDict: the line below a translation explains it",
        ),
        pytest.param(
            "roerei //rurɛi// <n>\nhuevos revueltos\n1. een gerecht van gebakken eieren\n",
            ("roerei",),
            (("huevos revueltos",),),
            id="WikDict's Dutch numbers its explanations",
        ),
        pytest.param(
            "〃, おなじ /o̞nˈädʑi/\n1. (noun (common) (futsuumeishi))\nditto mark\n",
            ("おなじ",),
            (("ditto mark",),),
            id="JMdict: the translation is below the grammar, and a mark alone is no headword",
        ),
        pytest.param(
            "trip /trɪp/\nI.  <N> 1.  wycieczka\n 2.  wyjazd, wyprawa\nII.  <V> 1.  potykać się\n",
            ("trip",),
            (("wycieczka",), ("wyjazd", "wyprawa"), ("potykać się",)),
            id="Roman numbers",
        ),
        pytest.param("etw. schleppen\nto carry sth.\n", ("schleppen",), (("carry",),), id="fillers are cut off"),
        pytest.param(
            "helper\na thing that helps you do something else\n", ("helper",), (), id="an explanation is no translation"
        ),
    ],
)
def test_an_article_is_parsed(article: str, headwords: tuple[str, ...], senses: tuple[tuple[str, ...], ...]) -> None:
    assert parse_entry(article) == Entry(headwords, senses)


def test_installed_dictionaries_are_found_and_read(tmp_path: Path) -> None:
    german, english, japanese = find_freedicts(write_small_dictionaries(tmp_path))
    assert [(found.source, found.target) for found in (german, english, japanese)] == [
        ("de", "en"),
        ("en", "de"),
        ("ja", "en"),
    ]
    assert Entry(("kabellos",), (("cordless", "wireless"),)) in list(german.entries())


def test_a_folder_that_is_absent_holds_none(tmp_path: Path) -> None:
    assert find_freedicts(tmp_path / "nowhere") == []


def test_a_damaged_dictionary_is_named(tmp_path: Path) -> None:
    write_small_dictionaries(tmp_path)
    (tmp_path / "freedict-deu-eng.dict.dz").write_bytes(b"not gzip")
    with pytest.raises(ResourceError, match=r"freedict-deu-eng\.index"):
        list(find_freedicts(tmp_path)[0].entries())
