"""What protecting brands, codes and measures costs and saves, and what a second run takes.

    python -m bench.translation_memory [--feed CORPUS] [--glossary PHRASES] [--products 3000]

Titles go into five languages by a glossary and what dictionaries are installed: bare, as ingest does it for the first
time, and again from the store.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import click

from ingest.document import Document
from ingest.feeds import open_feed
from ingest.stages import clean_batch
from ingest.translate import TranslationMemory, translate_documents
from ingest.translation_store import TranslationStore
from rerank.protocols import Translator
from rerank.resources import load_resources, write_glossary
from rerank.translation.load import load_translators
from rerank.translation.protect import protected_texts

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
TARGETS = ("de", "es", "fr", "it", "nl")
ROWS = 256
T = TypeVar("T")


@click.command()
@click.option("--feed", type=click.Path(path_type=Path), default=DATA / "chorus-icecat" / "corpus.jsonl.gz")
@click.option("--glossary", type=click.Path(path_type=Path), default=DATA / "product-phrases" / "phrases.tsv.gz")
@click.option("--products", default=3000, show_default=True)
def main(feed: Path, glossary: Path, products: int) -> None:
    """Print seconds of CPU, and how many translations lost or made up a protected span."""
    documents = clean_batch(list(islice(open_feed(feed).entries(), products))).documents
    with tempfile.TemporaryDirectory() as folder:
        resources = load_resources(Path(folder))
        write_glossary(resources.folder, "bench", glossary)
        translators = load_translators(resources)
        translators.prepare(("en", *TARGETS))
        translator = translators.translator()
        click.echo(f"{len(documents)} titles into {len(TARGETS)} languages; {translators.describe()}")
        bare, seconds = _timed(lambda: _bare(documents, translator))
        click.echo(f"bare: {seconds:.1f} s; protected spans broken in {_broken(documents, bare):.1%}")
        for run in ("first run", "second run"):
            made, seconds = _timed(lambda: _ingested(documents, translator, Path(folder) / "memory.sqlite"))
            click.echo(f"{run}: {seconds:.1f} s; protected spans broken in {_broken(documents, made):.1%}")


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.process_time()
    return work(), time.process_time() - started


def _bare(documents: Sequence[Document], translator: Translator) -> dict[str, list[str | None]]:
    titles = [one.title for one in documents]
    made = {target: translator.translate(titles, "en", target) for target in TARGETS}
    return {target: [None if one.engine == "keep" else one.text for one in some] for target, some in made.items()}


def _ingested(documents: Sequence[Document], translator: Translator, path: Path) -> dict[str, list[str | None]]:
    memory = TranslationMemory(translator, store=TranslationStore(path, translator.name, translator.version))
    fields = dict.fromkeys(TARGETS, ("title",))
    made = [
        one
        for place in range(0, len(documents), ROWS)
        for one in translate_documents(documents[place : place + ROWS], memory, fields)
    ]
    memory.close()
    return {target: [one.translated.get(target, {}).get("title") for one in made] for target in TARGETS}


def _broken(documents: Sequence[Document], made: dict[str, list[str | None]]) -> float:
    """Return the share of translations whose protected spans are not those of their source."""
    pairs = [
        (one, text) for some in made.values() for one, text in zip(documents, some, strict=True) if text is not None
    ]
    broken = sum(
        protected_texts(text, (one.brand or "",)) != protected_texts(one.title, (one.brand or "",))
        for one, text in pairs
    )
    return broken / max(len(pairs), 1)


if __name__ == "__main__":
    main()
