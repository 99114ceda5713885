import gzip
from pathlib import Path

import pytest

from rerank.errors import ResourceError
from rerank.translation.glossary import read_glossary


def test_any_direction_between_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "shop.tsv"
    path.write_text("en\tde\tfr\nusb stick | flash drive\tUSB-Stick\tclé USB\nlaptop\t\tordinateur portable\n")
    glossary = read_glossary(path)
    assert glossary.lookup("usb-stick", "de", "en") == ("usb stick", "flash drive")
    assert glossary.lookup("flash drive", "en", "fr") == ("clé USB",)
    assert glossary.lookup("clé usb", "fr", "de") == ("USB-Stick",)
    assert glossary.lookup("laptop", "en", "de") == ()
    assert glossary.words("fr") == {"clé", "usb", "ordinateur", "portable"}


def test_gzip_and_a_new_version_with_new_content(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.tsv", tmp_path / "b.tsv.gz"
    plain.write_text("en\tde\nmouse\tMaus\n")
    packed.write_bytes(gzip.compress(b"en\tde\nmouse\tMaus\nhub\tVerteiler\n"))
    assert read_glossary(plain).version != read_glossary(packed).version


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("en\n", "two or more different languages"),
        ("en\ten\na\tb\n", "two or more different languages"),
        ("en\tde\nmouse\n", "line 2: 1 cells, the header has 2"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "wrong.tsv"
    path.write_text(content)
    with pytest.raises(ResourceError, match=reason):
        read_glossary(path)
