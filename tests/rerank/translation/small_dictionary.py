"""Write small dictionaries in the formats that are read: dictd, CC-CEDICT, and a vocabulary to choose words by."""

import gzip
from pathlib import Path

from rerank.understanding.vocabulary import Vocabulary, VocabularyCounter

_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

GERMAN = {
    "Kopfhörer /kˈɔpf/ <masc, n, sg>": "\n1. headphone <n>, headphones <n>\n   Synonym: {Ohrhörer}\n2. earphone\n",
    "kabellos /kˈaːbəl/ <adj>": "\ncordless, wireless\n",
    "Tastatur /tastatˈuːɾ/ <fem, n, sg>": '\n [comp.] keyboard <n>\n      "auf der Tastatur"  - on the keyboard\n',
    "Maus <fem, n, sg>": "\nmouse <n>\n",
    "Tasche <fem, n, sg>": "\npocket <n>, bag <n>\n",
    "Laptop <masc>": "\nlaptop <n>\n",
    "Arbeit <fem>": "\nwork\n",
    "Tisch <masc>": "\ntable, desk\n",
}
ENGLISH = {"lamp /læmp/": "\nLampe <fem>\n", "wireless": "\ndrahtlos, kabellos\n", "desk lamp": "\nTischlampe <fem>\n"}
JAPANESE = {
    "ノートパソコン, ノートパソコン": "\n(noun (common) (futsuumeishi))\nlaptop, notebook computer\n",
    "ケース": "\n1. (noun (common) (futsuumeishi))\ncase\n2. example\n",
    "机, つくえ": "\ndesk\n",
}


def write_freedict(folder: Path, pair: str, articles: dict[str, str]) -> None:
    """Write `freedict-<pair>.index` and `.dict.dz`; `articles` maps a headword line to the rest."""
    folder.mkdir(parents=True, exist_ok=True)
    content, rows = b"", ["00databaseinfo\tA\tB"]
    for headword, rest in articles.items():
        article = f"{headword}{rest}".encode()
        rows.append(f"{headword.split()[0].lower()}\t{_number(len(content))}\t{_number(len(article))}")
        content += article
    (folder / f"freedict-{pair}.index").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / f"freedict-{pair}.dict.dz").write_bytes(gzip.compress(content))


def write_small_dictionaries(folder: Path) -> Path:
    """Write German-English, English-German and Japanese-English; return the folder."""
    write_freedict(folder, "deu-eng", GERMAN)
    write_freedict(folder, "eng-deu", ENGLISH)
    write_freedict(folder, "jpn-eng", JAPANESE)
    return folder


def small_vocabulary() -> Vocabulary:
    """Count a catalogue that prints "wireless headphones", "laptop bag", and never "cordless" or "pocket"."""
    counter = VocabularyCounter()
    for text in (
        "wireless headphones",
        "wireless mouse",
        "laptop bag black",
        "gaming keyboard",
        "desk lamp",
        "usb hub",
    ):
        for number in range(5):
            counter.add("en", f"{text}\nmodel {number}")
    return counter.vocabulary()


def _number(value: int) -> str:
    digits = _DIGITS[value % 64]
    while value := value // 64:
        digits = _DIGITS[value % 64] + digits
    return digits
