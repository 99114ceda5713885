"""The parts of a reindex that need no node: stored documents, conversion, the verdict, the plan's arithmetic."""

import pytest

from bench.scale_plan import Inputs, plan, recovery, vector_bytes
from ingest.document import Document, Provenance, Record
from ingest.embed import embed_documents
from ingest.reindex.searches import Side, search_check, speed_check
from ingest.reindex.stored import Conversion, stored_document
from ingest.reindex.verdict import Check, Verdict
from plugin.index import VECTOR_FIELD
from rerank.embedder import load_embedder

LAMP = Document(
    id="1",
    record=Record("feed", 1, {}),
    title="Schreibtischlampe",
    text="Aus Messing",
    language="de",
    brand="Lumo",
    translated={"en": {"title": "desk lamp"}},
    provenance={"en": {"title": Provenance("glossary", "1", 1.0)}},
)


@pytest.mark.parametrize("served", [("de", "en"), ("en",)], ids=["own language served", "own language unknown"])
def test_a_stored_document_reads_as_it_was_written(served: tuple[str, ...]) -> None:
    found = stored_document("1", LAMP.source(served), "old")
    assert found.own_texts() == LAMP.own_texts()
    assert (found.language, found.brand, found.translated) == ("de", "Lumo", LAMP.translated)


def test_conversion_embeds_as_the_run_does_and_leaves_equal_models_alone() -> None:
    embedder = load_embedder()
    meta = {"vectors": {VECTOR_FIELD: {"fingerprint": embedder.fingerprint}}}
    other = {"vectors": {VECTOR_FIELD: {"fingerprint": "sha256:other"}}}
    (embedded,) = embed_documents([LAMP], embedder, embedder.template).documents
    expected = embedded.source(("de", "en"))
    old = {"1": {**expected, VECTOR_FIELD: [0.5, 0.5]}}
    assert Conversion(other, meta, embedder).convert(old) == {"1": expected}
    assert Conversion(meta, meta, None).convert(old) == old
    assert VECTOR_FIELD not in Conversion(other, {"vectors": {}}, None).convert(old)["1"]


def test_one_failed_check_closes_the_gate() -> None:
    verdict = Verdict(
        "shop", "shop-000001", "shop-000002", [Check("counts", True, ""), Check("mapping", False, "lost")]
    )
    assert (verdict.passed, verdict.failed, verdict.exit_code) == (False, ("mapping",), 3)
    assert "FAIL mapping: lost" in verdict.lines()


def test_searches_and_their_times() -> None:
    before, after = Side([1.0, 2.0, 3.0]), Side([2.0, 4.0, 6.0])
    assert search_check((before, after)).passed
    assert speed_check((before, after), 2.0).passed
    assert not speed_check((before, after), 1.9).passed
    after.degraded["knn.embedding: embedder mismatch"] = 3
    assert "3 of 3 answers are degraded: knn.embedding" in search_check((before, after)).detail
    before.degraded["knn.embedding: embedder mismatch"] = 3
    after.empty = 1
    assert search_check((before, after)).detail == "1 searches find nothing, 0 before"


def test_bytes_of_a_vector() -> None:
    links = 2 * 16 * 4
    assert vector_bytes(Inputs(vectors="fp32")) == {"memory": 384 * 4 + links, "disk": 384 * 4 + links}
    assert vector_bytes(Inputs(vectors="binary", fields=2))["memory"] == 2 * (384 / 8 + links)
    assert vector_bytes(Inputs(vectors="disk"))["disk"] == 384 * 4 + 384 / 8 + links


def test_more_documents_never_need_fewer_nodes() -> None:
    nodes = [plan(Inputs(documents=documents))["nodes"] for documents in (1e4, 1e6, 1e8, 1e9)]
    assert nodes == sorted(nodes)
    assert nodes[0] == 3


def test_recovery_takes_as_many_rounds_as_slots_allow() -> None:
    assert recovery(nodes=2, copies=2, seconds=3600) == {"shards": 1.0, "hours": 1.0}
    assert recovery(nodes=2, copies=8, seconds=3600) == {"shards": 4.0, "hours": 2.0}
