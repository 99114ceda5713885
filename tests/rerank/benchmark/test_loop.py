import json
from mmap import PAGESIZE, mmap
from pathlib import Path

import pytest
from click.testing import CliRunner

from rerank.benchmark.loop import Grid, bench, pareto, short_names
from rerank.benchmark.machine import (
    Products,
    count_products,
    energy_joules,
    forget_peak_memory,
    matmul_peak,
    peak_memory_mb,
)
from rerank.benchmark.page import bench_page
from rerank.cli import main
from rerank.exporting.export import export
from tests.rerank.architectures import save_model
from tests.rerank.quantization.test_quantize import lists
from tests.rerank.tiny import DIMENSION, tiny_reranker

FAST = Grid(windows=(4, 8), lengths=(8, 16), seconds=0.0)


def test_every_combination_has_a_row_whose_numbers_agree(tmp_path: Path) -> None:
    bundles = [tiny_reranker(tmp_path / name).path for name in ("one", "two")]
    rows = bench(bundles, FAST, lists=lists(judged=True))
    assert len(rows) == 2 * 2 * 2
    for row in rows:
        assert row["runs"] == 5
        assert row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert row["pairs_per_s"] == pytest.approx(row["window"] / row["p50_ms"] * 1000, rel=0.05, abs=0.2)
        assert 0 < row["ndcg"] <= 1
        assert row["device"] == "CPUExecutionProvider"
        assert row["peak_share"] > 0
        assert row["peak_rss_mb"] >= row["rss_mb"]
    assert len({row["ndcg"] for row in rows}) == 1


def test_without_judgements_there_is_no_quality(tmp_path: Path) -> None:
    rows = bench([tiny_reranker(tmp_path / "one").path], Grid(windows=(4,), seconds=0.0))
    assert rows[0]["ndcg"] is None
    assert "against milliseconds" not in bench_page(rows)


def test_folders_of_one_name_are_told_apart() -> None:
    six, three = Path("build/six/int8"), Path("build/three/int8")
    assert short_names([six, three, six]) == {six: "six/int8", three: "three/int8"}
    assert short_names([six, six.with_name("fp32")]) == {six: "int8", six.with_name("fp32"): "fp32"}


def test_a_cascade_runs_beside_its_parts(tmp_path: Path) -> None:
    one, two = (tiny_reranker(tmp_path / name).path for name in ("one", "two"))
    rows = bench([one], Grid(windows=(4,), seconds=0.0), lists=lists(judged=True), cascades=[(one, two, 2)])
    assert [row["system"] for row in rows] == ["one", "one, then two on 2"]
    assert rows[0]["ndcg"] == rows[1]["ndcg"]  # the same weights twice
    assert all(row["peak_share"] > 0 for row in rows)


def test_a_page_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    bundle, page = tiny_reranker(tmp_path / "one").path, tmp_path / "absent" / "page.html"
    for arguments in (["bench", str(bundle)], ["evaluate", str(bundle), "--candidates", str(bundle / "manifest.json")]):
        result = CliRunner().invoke(main, [*arguments, "--html", str(page)])
        assert result.exit_code == 2
        assert "there is no folder" in result.stderr


@pytest.mark.train
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_peers_run_the_same_weights_in_the_same_loop(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    model = save_model(tmp_path / "model", "xlm-roberta", labels=1)
    bundle = export(str(model), tmp_path / "bundle")
    texts = lists(judged=True)
    rows = bench([bundle.path], Grid(windows=(4,), seconds=0.0), lists=texts, torch_model=str(model))
    assert [row["system"] for row in rows][:2] == ["bundle", "sentence-transformers torch"]
    assert len({row["ndcg"] for row in rows}) == 1
    assert all(row["peak_share"] > 0 for row in rows)
    assert rows[1]["device"] in ("cpu", "cuda:0")


def test_the_front_is_what_no_other_beats_in_both() -> None:
    rows = [{"p50_ms": ms, "ndcg": value} for ms, value in ((1, 0.5), (2, 0.7), (3, 0.6), (4, 0.8), (4, 0.7))]
    assert pareto(rows) == {0, 1, 3}


@pytest.mark.train
def test_the_products_are_those_of_the_matrices(tmp_path: Path) -> None:
    assert count_products(tiny_reranker(tmp_path / "one").path) == Products(DIMENSION * DIMENSION + DIMENSION, 0.0, 0.0)
    assert matmul_peak() > 1e8


@pytest.mark.train
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_a_bundle_computes_for_the_first_token_alone_is_not_counted_for_every_token(tmp_path: Path) -> None:
    """Two layers of 24 channels and 48 in the middle; of the last one, what follows its attention is cut."""
    bundle = export(str(save_model(tmp_path / "model", labels=1)), tmp_path / "bundle")
    attention, rest, head = 3 * 24 * 24, 24 * 24 + 2 * 24 * 48, 24 * 24 + 24
    found = count_products(bundle.path)
    assert found == Products(2 * attention + rest, rest, head)
    assert found.of_bundle(7, 2) == 7 * (2 * attention + rest) + 2 * (rest + head)
    assert found.of_torch(7, 2) == 7 * 2 * (attention + rest) + 2 * head


def test_the_peak_of_memory_is_that_of_the_time_since_it_was_forgotten() -> None:
    if peak_memory_mb() is None:
        pytest.skip("this system does not tell a process its peak")
    forget_peak_memory()
    before = peak_memory_mb() or 0.0
    held = mmap(-1, 64_000_000)  # bytes of Python's may come from memory that was let go before
    held[::PAGESIZE] = bytes(len(held[::PAGESIZE]))
    assert (peak_memory_mb() or 0.0) >= before + 50
    held.close()
    forget_peak_memory()
    assert (peak_memory_mb() or 0.0) < before + 50


def test_energy_is_read_where_there_is_a_counter(tmp_path: Path) -> None:
    (tmp_path / "energy_uj").write_text("2500000\n")
    assert energy_joules(tmp_path / "energy_uj") == 2.5
    assert energy_joules(tmp_path / "none") is None


def test_the_command_prints_rows_and_writes_the_page(tmp_path: Path) -> None:
    bundle = str(tiny_reranker(tmp_path / "one").path)
    (tmp_path / "c.jsonl").write_text(
        "\n".join(
            json.dumps({"query": "usb", "doc_id": word, "text": word, "relevance": grade})
            for word, grade in (("usb cable", 1), ("garden hose", 0))
        )
    )
    arguments = ["bench", bundle, "--window", "4", "--seconds", "0", "--candidates", str(tmp_path / "c.jsonl")]
    result = CliRunner().invoke(main, [*arguments, "--html", str(tmp_path / "page.html"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)[0]["system"] == "one"
    assert "against milliseconds" in (tmp_path / "page.html").read_text()
    assert CliRunner().invoke(main, arguments).exit_code == 0
