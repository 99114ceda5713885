"""The model service under load: 1, 4 and 16 clients at once, each sending one request after the other.

    python -m bench.service_load [--clients 1 4 16] [--seconds 10] [--documents 20] [--deadline-ms 1000]

Starts `rerank serve` with the shipped bundles on a free port. Prints a JSON line for each number of clients: answers a
second that came in time, latency of those, the share that was shed (429), and how many requests shared a batch. `--url`
asks a running service instead, such as an older version or another vendor's that speaks Cohere's dialect.
"""

import argparse
import json
import re
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from bench.service_latency import QUERIES, SERVE, documents

PAUSE_S = 0.25
"""Less than Retry-After asks for: clients are not patient."""


@dataclass
class Tally:
    """What the clients saw."""

    took_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)


@contextmanager
def service(url: str | None) -> Iterator[str]:
    """Yield the address of a ready service."""
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        process = subprocess.Popen([*SERVE, "--port-file", str(port_file)], stdout=subprocess.DEVNULL)
        try:
            while not port_file.exists() and process.poll() is None:
                time.sleep(0.05)
            found = f"http://127.0.0.1:{port_file.read_text().strip()}"
            while httpx.get(f"{found}/ready").status_code != 200:
                time.sleep(0.1)
            yield found
        finally:
            process.terminate()
            process.wait()


def ask(url: str, path: str, bodies: list[dict[str, Any]], until: float, tally: Tally, lock: threading.Lock) -> None:
    """Send bodies in turn until the time is up; a client that was shed waits for `PAUSE_S`."""
    with httpx.Client(base_url=url, timeout=60) as client:
        place = 0
        while time.monotonic() < until:
            started = time.perf_counter()
            answer = client.post(path, json=bodies[place % len(bodies)])
            took = (time.perf_counter() - started) * 1000
            place += 1
            with lock:
                tally.statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    tally.took_ms.append(took)
            if answer.status_code == 429:
                time.sleep(PAUSE_S)


def load(url: str, path: str, bodies: list[list[dict[str, Any]]], seconds: float) -> dict[str, Any]:
    """Run one client for each list of bodies; return what they saw."""
    tally, lock = Tally(), threading.Lock()
    before, until = shared(url), time.monotonic() + seconds
    threads = [threading.Thread(target=ask, args=(url, path, one, until, tally, lock)) for one in bodies]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, after = time.monotonic() - started, shared(url)
    total = sum(tally.statuses.values())
    result: dict[str, Any] = {
        "path": path,
        "clients": len(bodies),
        "per_s": round(len(tally.took_ms) / took, 1),
        "shed": round(tally.statuses[429] / total, 3),
        "errors": total - tally.statuses[200] - tally.statuses[429],
    }
    if tally.took_ms:
        result |= {f"p{rank}_ms": round(float(np.percentile(tally.took_ms, rank)), 1) for rank in (50, 95, 99)}
    if after and before and after[1] > before[1]:
        result["requests_per_batch"] = round((after[0] - before[0]) / (after[1] - before[1]), 2)
    return result


def shared(url: str) -> tuple[float, float] | None:
    """Return the sum of requests over all batches, and the number of batches; None where the service does not tell."""
    page = httpx.get(f"{url}/metrics").text
    numbers = [re.findall(rf"^polyrank_batch_requests_{name}{{.*}} (\S+)$", page, re.M) for name in ("sum", "count")]
    return (sum(map(float, numbers[0])), sum(map(float, numbers[1]))) if numbers[1] else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--documents", type=int, default=20)
    parser.add_argument("--deadline-ms", type=int, default=1000, help="0 sends none")
    parser.add_argument("--url")
    options = parser.parse_args()
    deadline = {"deadline_ms": options.deadline_ms} if options.deadline_ms else {}
    with service(options.url) as url:
        for count in options.clients:
            reranks = [
                [
                    {
                        "query": QUERIES[i % 6],
                        "documents": documents(options.documents, 100 * client + i),
                        "cache": False,
                    }
                    | deadline
                    for i in range(12)
                ]
                for client in range(count)
            ]
            print(json.dumps(load(url, "/rerank", reranks, options.seconds)), flush=True)
            queries = [
                [{"query": f"{QUERIES[i % 6]} {client} {i}", "languages": ["en", "de"]} for i in range(2000)]
                for client in range(count)
            ]
            print(json.dumps(load(url, "/understand", queries, options.seconds / 2)), flush=True)


if __name__ == "__main__":
    main()
