from pathlib import Path

from ingest.dead_letters import DeadLetterFile
from ingest.fusion.fuse import Fusion
from ingest.fusion.stage import fuse_batches, title_vectors
from ingest.lanes import OwnProcess
from ingest.run import read_chunks, run_stages
from ingest.sinks import ListSink
from ingest.sources.shop import open_shop
from ingest.stages import Stages, prepare
from ingest.translate import TranslationMemory
from rerank.baselines import HashEmbedder
from rerank.understanding.language import ScriptDetector
from tests.ingest.sink_contract import product
from tests.ingest.test_feeds import written
from tests.ingest.test_stages import FixedDetector, UpperTranslator

TOML = """
[fusion]
prefer = { price = ["erp"] }
[[source]]
name = "shop"
path = "shop.jsonl"
priority = 5
platform = "shopify"
[[source]]
name = "erp"
path = "erp.csv"
"""


def test_sources_of_a_toml_are_fused_and_every_record_is_accounted_for(tmp_path: Path) -> None:
    shop = [
        '{"id": "1", "title": "Fine pen", "gtin": "4006381333931", "price": 9}',
        '{"id": "2", "title": "Lamp"}',
        '{"id": "2", "title": "Lamp, new"}',
        "broken",
    ]
    written(tmp_path / "shop.jsonl", "\n".join(shop))
    written(tmp_path / "erp.csv", "id,title,gtin,price\n1,PEN,4006381333931,8\n,no id,,\n7,Chair,,5\n")
    opened = open_shop([written(tmp_path / "shop.toml", TOML)])
    assert opened.fusion is not None
    stages, sink = Stages(FixedDetector("en"), ScriptDetector(), ("en",)), ListSink()
    prepared = OwnProcess(stages).run((prepare,), read_chunks(opened.feeds, 1))
    batches = fuse_batches(prepared, Fusion(opened.fusion), 2)
    with DeadLetterFile(tmp_path / "dead") as dead:
        tally = run_stages(batches, stages, sink, dead)
    assert {key: (one.title, one.price) for key, one in sink.documents.items()} == {
        "1": ("Fine pen", 8),
        "2": ("Lamp, new", None),
        "7": ("Chair", 5),
    }
    assert (tally.read, tally.created, tally.fused, tally.duplicates, tally.dead) == (7, 3, 1, 1, 2)


def test_titles_are_embedded_in_the_language_that_the_embedder_reads() -> None:
    embedder = HashEmbedder(16)
    german = product("1", "Lampe")
    vectors = title_vectors(embedder, TranslationMemory(UpperTranslator()))([german])
    assert vectors.shape == (1, 16)
    assert (vectors == embedder.embed_documents(["Lampe"])).all()
    assert title_vectors(embedder, None)([]).shape == (0, 16)
