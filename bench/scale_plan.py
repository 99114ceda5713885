"""A plan for a catalogue of any size: shards, memory, disk, hours and cost, from figures measured small.

    python -m bench.scale_plan --documents 100e6 [--vectors fp32|byte|binary|disk] [--json] [...]

Every input is an option, with what was measured or assumed as its default; see docs/scale-100m.md for which is which.
Nothing is asked of a cluster; `python -m bench.index_bytes` measures bytes on one.
"""

import heapq
import json
import math
import random
from dataclasses import dataclass, fields
from typing import Any

import click

GIB = 2**30
FORMATS = ("fp32", "byte", "binary", "disk")
BITS = {"fp32": 32, "byte": 8, "binary": 1, "disk": 32}
"""Bits a dimension of what a search walks through. `disk`: binary codes in memory, fp32 read for the best of them."""


@dataclass(frozen=True)
class Inputs:
    """What a plan is made from: bytes and documents/s a unit, hours, prices an hour (in the price's own currency)."""

    documents: float = 100e6
    vectors: str = "disk"
    dimension: int = 384
    fields: int = 1
    hnsw_m: int = 16
    text_bytes: float = 1075.0
    shard_gib: float = 30.0
    shard_documents: float = 10e6
    replicas: int = 1
    node_gib: float = 64.0
    heap_gib: float = 31.0
    disk_gib: float = 1500.0
    disk_fill: float = 0.7
    text_cached: float = 0.3
    embed_cpu: float = 290.0
    embed_gpu: float = 3000.0
    index_node: float = 1500.0
    cpu_workers: int = 16
    gpus: int = 4
    shard_mib_s: float = 100.0
    node_price: float = 1.0
    worker_price: float = 0.1
    gpu_price: float = 2.0


def vector_bytes(inputs: Inputs) -> dict[str, float]:
    """Bytes a document of all its vectors: in memory to search fast, and on disk.

    The graph has 2 M links of 4 bytes in its lowest level. Source: Malkov and Yashunin 2016, arXiv:1603.09320. `byte`
    and `binary` keep the codes alone; `disk` keeps binary codes in memory and the full vectors on disk to rescore.
    """
    graph = 2 * inputs.hnsw_m * 4
    code = inputs.dimension * (1 if inputs.vectors == "disk" else BITS[inputs.vectors]) / 8
    on_disk = code + graph + (inputs.dimension * 4 if inputs.vectors == "disk" else 0)
    return {"memory": inputs.fields * (code + graph), "disk": inputs.fields * on_disk}


def plan(inputs: Inputs) -> dict[str, Any]:
    """The cluster that holds the documents: the number of nodes is what memory and disk ask for, whichever is more."""
    each = vector_bytes(inputs)
    copies = 1 + inputs.replicas
    primary = inputs.documents * (each["disk"] + inputs.text_bytes)
    shards = math.ceil(max(primary / (inputs.shard_gib * GIB), inputs.documents / inputs.shard_documents))
    cache = copies * inputs.documents * (each["memory"] + inputs.text_cached * inputs.text_bytes)
    disk = copies * primary
    usable_memory = (inputs.node_gib - inputs.heap_gib) * GIB
    by_memory, by_disk = cache / usable_memory, disk / (inputs.disk_gib * GIB * inputs.disk_fill)
    nodes = max(3, math.ceil(by_memory), math.ceil(by_disk))
    reindex_disk = 2 * disk / (nodes * inputs.disk_gib * GIB)
    cpu_hours = inputs.documents / (inputs.embed_cpu * inputs.cpu_workers) / 3600
    gpu_hours = inputs.documents / (inputs.embed_gpu * inputs.gpus) / 3600
    index_hours = inputs.documents / (inputs.index_node * nodes / copies) / 3600
    return {
        "vector_bytes_a_document": each,
        "shards": shards,
        "documents_a_shard": math.ceil(inputs.documents / shards),
        "primary_gib": primary / GIB,
        "page_cache_gib": cache / GIB,
        "disk_gib": disk / GIB,
        "nodes_for_memory": by_memory,
        "nodes_for_disk": by_disk,
        "nodes": nodes,
        "disk_used_while_reindexing": reindex_disk,
        "hours": {
            "embed_cpu": cpu_hours,
            "embed_gpu": gpu_hours,
            "index": index_hours,
            "build_cpu": max(cpu_hours, index_hours),
            "build_gpu": max(gpu_hours, index_hours),
        },
        "cost": {
            "cluster_a_month": nodes * inputs.node_price * 730,
            "embed_once_cpu": cpu_hours * inputs.cpu_workers * inputs.worker_price,
            "embed_once_gpu": gpu_hours * inputs.gpus * inputs.gpu_price,
        },
        "recovery_of_a_node": recovery(nodes, shards * copies, primary / shards / 2**20 / inputs.shard_mib_s),
    }


def recovery(nodes: int, copies: int, seconds: float, seed: int = 1) -> dict[str, float]:
    """Simulate the loss of one node: each of its shards is copied from a node that has it to one that has room.

    A discrete simulation: two copies come into a node at a time (the default of OpenSearch) and two go out, each
    in `seconds`; a shard waits until both of its ends are free. Returns hours until all copies are there again.
    """
    if nodes < 2:
        return {"shards": float(copies), "hours": math.inf}
    draw = random.Random(seed)
    lost = math.ceil(copies / nodes)
    targets = [0.0] * (2 * (nodes - 1))
    sources = [[0.0, 0.0] for _ in range(nodes - 1)]
    heapq.heapify(targets)
    end = 0.0
    for _ in range(lost):
        source = draw.choice(sources)
        slot = min((0, 1), key=source.__getitem__)
        start = max(heapq.heappop(targets), source[slot])
        source[slot] = start + seconds
        heapq.heappush(targets, start + seconds)
        end = max(end, start + seconds)
    return {"shards": float(lost), "hours": end / 3600}


def show(inputs: Inputs, found: dict[str, Any]) -> list[str]:
    """The plan for people."""
    hours, cost, lost = found["hours"], found["cost"], found["recovery_of_a_node"]
    return [
        f"{inputs.documents:,.0f} documents, {inputs.fields} vectors of {inputs.dimension}: {inputs.vectors}",
        f"primaries {found['primary_gib']:,.0f} GiB in {found['shards']} shards"
        f" ({found['documents_a_shard']:,} documents each), {inputs.replicas} replica(s)",
        f"page cache to search from memory {found['page_cache_gib']:,.0f} GiB, disk {found['disk_gib']:,.0f} GiB",
        f"nodes {found['nodes']} (memory asks for {found['nodes_for_memory']:.1f},"
        f" disk for {found['nodes_for_disk']:.1f});"
        f" a second index beside it fills {found['disk_used_while_reindexing']:.0%} of the disks",
        f"hours: embed {hours['embed_cpu']:,.1f} on CPU or {hours['embed_gpu']:,.1f} on GPU,"
        f" index {hours['index']:,.1f}; build {hours['build_cpu']:,.1f} or {hours['build_gpu']:,.1f}",
        f"cost: cluster {cost['cluster_a_month']:,.0f} a month, embedding once {cost['embed_once_cpu']:,.0f} on CPU"
        f" or {cost['embed_once_gpu']:,.0f} on GPU",
        f"a lost node: {lost['shards']:.0f} shard copies are there again after {lost['hours']:.2f} hours",
    ]


@click.command(help=__doc__)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def main(as_json: bool, **given: Any) -> None:
    """Calculate and print."""
    chosen = Inputs(**given)
    formats = FORMATS if chosen.vectors == "all" else (chosen.vectors,)
    for number, name in enumerate(formats):
        inputs = Inputs(**{**given, "vectors": name})
        found = plan(inputs)
        if as_json:
            click.echo(json.dumps({"vectors": name, **found}))
        else:
            click.echo(("\n" if number else "") + "\n".join(show(inputs, found)))


for one in reversed(fields(Inputs)):
    kind = click.Choice([*FORMATS, "all"]) if one.name == "vectors" else type(one.default)
    main = click.option(f"--{one.name.replace('_', '-')}", one.name, default=one.default, type=kind, show_default=True)(
        main
    )

if __name__ == "__main__":
    main()
