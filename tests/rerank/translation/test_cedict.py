import gzip
from pathlib import Path

import pytest

from rerank.errors import ResourceError
from rerank.translation.cedict import Cedict, find_cedict
from rerank.translation.freedict import Entry

ROWS = "# comment\n鍵盤 键盘 [jian4 pan2] /keyboard/CL:個|个[ge4]/\n電腦 电脑 [dian4 nao3] /computer/\n"


def test_both_spellings_and_no_measure_words(tmp_path: Path) -> None:
    (tmp_path / "cedict_ts.u8").write_text(ROWS, encoding="utf-8")
    assert list(find_cedict(tmp_path)[0].entries()) == [
        Entry(("键盘", "鍵盤"), (("keyboard",),)),
        Entry(("电脑", "電腦"), (("computer",),)),
    ]


def test_gzipped(tmp_path: Path) -> None:
    (tmp_path / "cedict_ts.u8.gz").write_bytes(gzip.compress(ROWS.encode()))
    assert len(list(find_cedict(tmp_path)[0].entries())) == 2


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "cedict.u8").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ResourceError, match=r"cedict\.u8"):
        list(Cedict(tmp_path / "cedict.u8").entries())
