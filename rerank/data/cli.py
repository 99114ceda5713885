"""`rerank data`: training data from what a shop has. Thin: parse, call one function, print."""

from contextlib import ExitStack
from pathlib import Path

import click

from rerank.data.build_cli import build
from rerank.data.output import FILE, OUT, detector, ending, finish, journal, made_by, seed_option, show
from rerank.progress import bar, silent


@click.group()
def data() -> None:
    """Make training data: pairs of a query and a document with a grade."""


data.add_command(build)


@data.command()
@click.argument("pairs", type=FILE)
@click.argument("out", type=OUT)
@click.option("--teacher", "teachers", type=FILE, multiple=True, required=True, help="A model bundle; repeatable.")
@ending
def teach(pairs: Path, out: Path, teachers: tuple[Path, ...], languages: tuple[str, ...], as_json: bool) -> None:
    """Add to PAIRS the scores of other models, to be learned by distillation: write OUT.

    Several teachers are averaged. A reranker gives its probabilities, an embedder its cosines.
    """
    from rerank.bundle import load_bundle
    from rerank.data.judged import Built
    from rerank.data.teach import load_teacher
    from rerank.data.teach import teach as run
    from rerank.training.pairs import read_pairs

    rows = read_pairs(pairs)
    loaded = [load_teacher(path) for path in teachers]
    names = [load_bundle(path).fingerprint for path in teachers]
    with journal(out, (pairs,), names) as kept:
        with (silent if as_json else bar)("teaching", len(rows)) as advance:
            taught = run(rows, loaded, advance=advance, remember=kept.remember)
        finish(out, Built(taught, {}, {"teachers": names}), languages, (pairs,), as_json)


@data.command()
@click.argument("pairs", type=FILE)
@click.argument("out", type=FILE)
@click.option("--dev", default=0.1, show_default=True, help="Share of the queries for dev.")
@click.option("--test", default=0.1, show_default=True, help="Share of the queries for test.")
@click.option("--near", default=0.7, show_default=True, help="Likeness (Jaccard of trigrams) of one group's queries.")
@click.option(
    "--families",
    type=click.Choice(("report", "drop")),
    default="report",
    show_default=True,
    help="Training pairs of product families that answer held-out queries: count or drop them.",
)
@click.option("--family-field", help="Field that names a product's family. Default: title without size and colour.")
@seed_option
@ending
def split(
    pairs: Path,
    out: Path,
    dev: float,
    test: float,
    near: float,
    families: str,
    family_field: str | None,
    seed: int,
    languages: tuple[str, ...],
    as_json: bool,
) -> None:
    """Split PAIRS by query into the folder OUT: train, dev and test (.jsonl.gz), each with its card.

    Near-duplicate queries stay together; what the parts still share is counted.
    """
    from rerank.data.card import write_with_card
    from rerank.data.split import leaks, split_facts, split_pairs, without_families
    from rerank.training.pairs import read_pairs

    parts = split_pairs(read_pairs(pairs), dev=dev, test=test, near=near, seed=seed)
    if families == "drop":
        parts = without_families(parts, family_field)
    facts = split_facts(parts, leaks(parts, near=near, family_field=family_field))
    tells = detector(languages)
    for part, rows in parts.items():
        if rows:
            more = {"part": part, "split": facts}
            write_with_card(out / f"{part}.jsonl.gz", rows, tells, made_by=made_by(), sources=(pairs,), more=more)
    show({"out": str(out), **facts}, as_json)


@data.command()
@click.argument("pairs", type=FILE)
@click.argument("out", type=OUT)
@click.option("--run", type=FILE, required=True, help="TREC run of the engine, as `plugin evaluate --runs` writes it.")
@click.option("--queries", type=FILE, required=True, help="The queries with the run's ids: JSON lines or TSV.")
@click.option("--corpus", type=FILE, required=True, help="The catalogue: JSON lines, `id` and fields.")
@click.option("--embedder", type=FILE, help="Embedder bundle for the margin. Default: the shipped one.")
@click.option("--count", type=click.IntRange(1), default=4, show_default=True, help="Negatives for each query.")
@click.option("--first", type=click.IntRange(1), default=1, show_default=True, help="Rank to begin at.")
@click.option("--last", type=click.IntRange(1), default=100, show_default=True, help="Rank to end at.")
@click.option("--margin", default=0.95, show_default=True, help="Share of the answers' cosine a negative may have.")
@click.option("--relevant", type=click.IntRange(1), default=2, show_default=True, help="Grade that answers a query.")
@ending
def mine(
    pairs: Path,
    out: Path,
    run: Path,
    queries: Path,
    corpus: Path,
    embedder: Path | None,
    count: int,
    first: int,
    last: int,
    margin: float,
    relevant: int,
    languages: tuple[str, ...],
    as_json: bool,
) -> None:
    """Add hard negatives to PAIRS: hits of the engine that nobody judged and that are not too like an answer."""
    from rerank.data.documents import read_documents
    from rerank.data.mine import MiningOptions
    from rerank.data.mine import mine as mined
    from rerank.embedder import load_embedder
    from rerank.evaluation.judgements import read_queries, read_run
    from rerank.training.pairs import read_pairs

    rows, asked, documents = read_pairs(pairs), read_queries(queries), read_documents(corpus)
    options = MiningOptions(count, first, last, margin, relevant)
    model, hits, files = load_embedder(embedder), read_run(run), (pairs, run, queries, corpus)
    with journal(out, files, [model.fingerprint]) as kept:
        with (silent if as_json else bar)("mining", len({row.query for row in rows})) as advance:
            built = mined(rows, asked, hits, documents, model, options, advance=advance, remember=kept.remember)
        finish(out, built, languages, files, as_json)


@data.command()
@click.argument("pairs", type=FILE)
@click.argument("out", type=OUT)
@click.option("--copies", type=click.IntRange(1), default=1, show_default=True, help="Variants of each kind.")
@click.option("--dropout", default=0.0, show_default=True, help="Chance of a word to be left out.")
@click.option("--typos", default=0.0, show_default=True, help="Chance of a word to be misspelt.")
@click.option("--synonyms", type=FILE, help="Synonyms: Solr's format, or WordNet's .pl.")
@click.option("--through", multiple=True, help="Language to translate into and back from; repeatable.")
@click.option("--from", "source", default="en", show_default=True, help="Language of the queries that are translated.")
@click.option("--libretranslate", help="Address of a service. Default: the installed dictionaries and glossaries.")
@click.option("--nllb", type=FILE, help="Folder of an NLLB model, a bundle or CTranslate2's, instead.")
@seed_option
@ending
def augment(
    pairs: Path,
    out: Path,
    copies: int,
    dropout: float,
    typos: float,
    synonyms: Path | None,
    through: tuple[str, ...],
    source: str,
    libretranslate: str | None,
    nllb: Path | None,
    seed: int,
    languages: tuple[str, ...],
    as_json: bool,
) -> None:
    """Add to PAIRS each query again as others might put it: back-translated, with synonyms, shorter, misspelt."""
    from rerank.data.augment import NoiseOptions, Variants, back_translations, noise_variants, synonym_variants
    from rerank.data.augment import augment as augmented
    from rerank.data.translators import choose_translator
    from rerank.training.pairs import read_pairs
    from rerank.understanding.synonyms import read_synonyms

    if not (through or synonyms or dropout or typos):
        raise click.UsageError("nothing to add: give --through, --synonyms, --dropout or --typos")
    rows = read_pairs(pairs)
    asked = list(dict.fromkeys(row.query for row in rows))
    variants: dict[str, Variants] = dict(noise_variants(asked, NoiseOptions(copies, dropout, typos), seed))
    if synonyms:
        variants["synonyms"] = synonym_variants(asked, read_synonyms(synonyms), copies, seed)
    files = (pairs, *([synonyms] if synonyms else []))
    with ExitStack() as kept:
        if through:
            translator = choose_translator((source, *through), libretranslate, nllb)
            name = f"{translator.name} {translator.version}"
            remember = kept.enter_context(journal(out, files, [name])).remember
            with (silent if as_json else bar)("translating", len(asked) * len(through)) as advance:
                variants["back-translation"] = back_translations(
                    asked, translator, source, through, advance=advance, remember=remember
                )
        finish(out, augmented(rows, variants), languages, files, as_json)
