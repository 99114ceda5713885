"""The `plugin` command: the OpenSearch side of polyrank."""

import json
import time
from pathlib import Path
from typing import Any

import click

from plugin.artifacts import ArtifactStore
from plugin.build import build_plugin
from plugin.capacity import heap_mb
from plugin.errors import NodeError
from plugin.explain_cli import explain
from plugin.ground import ground_for
from plugin.layout import lay_out
from plugin.model_service import service_log
from plugin.node import answers, node_log
from plugin.orchestra import UpOptions
from plugin.orchestra import down as stop_stack
from plugin.orchestra import up as start_stack
from plugin.pipelines_cli import pipelines
from plugin.processes import last_lines
from plugin.progress import download_bar
from plugin.search_cli import evaluate, search
from plugin.stack import Member, read_stack
from plugin.tune_cli import tune
from rerank.command_group import ErrorsInOneLine
from rerank.home import polyrank_home


@click.group(cls=ErrorsInOneLine)
@click.version_option(package_name="polyrank")
def main() -> None:
    """Run OpenSearch with polyrank's plugin on this machine, and search it."""


@main.command()
@click.option("--nodes", type=click.IntRange(1, 9), help="Nodes of the cluster; default: as many as before, else 1.")
@click.option("--heap", default="512m", show_default=True, help="Java heap of each node, such as 512m or 2g.")
@click.option("--port", type=click.IntRange(1, 65535), help="HTTP port of the first node; default: 9200 or a free one.")
@click.option("--service/--no-service", default=True, show_default=True, help="Start the model service too.")
@click.option("--service-port", type=click.IntRange(1, 65535), help="Port of the service; default: 8808 or a free one.")
def up(nodes: int | None, heap: str, port: int | None, service: bool, service_port: int | None) -> None:
    """Start OpenSearch and the model service; start again what died, leave alone what runs."""
    options = UpOptions(nodes, heap_mb(heap), port, service, service_port)
    stack = start_stack(polyrank_home(), options, click.echo, download_bar)
    click.echo(f"ready: {stack.url}")


@main.command()
@click.option("--delete-data", is_flag=True, help="Remove the nodes' indices and settings too.")
def down(delete_data: bool) -> None:
    """Stop OpenSearch and the model service; their data stays."""
    stop_stack(polyrank_home(), click.echo, delete_data=delete_data)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def status(as_json: bool) -> None:
    """Say which nodes run and where, and whether the model service does."""
    stack = read_stack()
    nodes = [_state(node, "/_cluster/health") for node in stack.nodes]
    service = _state(stack.service, "/ready") if stack.service else None
    if as_json:
        click.echo(json.dumps({"nodes": nodes, "service": service}, indent=2))
        return
    states = [*nodes, *([service] if service else [])]
    for state in states:
        click.echo(_sentence(state))
    if not states:
        click.echo("nothing is running; `plugin up` starts it")
    elif not all(state["alive"] for state in states):
        click.echo("`plugin up` starts what is dead and leaves the rest alone; `plugin logs NAME` says why it died")


@main.command()
@click.argument("name", default="node-1")
@click.option("-n", "--lines", default=50, show_default=True, type=click.IntRange(1), help="Lines from the end.")
@click.option("--follow", is_flag=True, help="Go on printing what is added, until interrupted.")
def logs(name: str, lines: int, follow: bool) -> None:
    """Print the log of NAME: node-1, node-2 ... or service."""
    home = polyrank_home()
    log = service_log(home) if name == "service" else node_log(ground_for(home, make=False).folder / "nodes" / name)
    if not log.is_file():
        raise NodeError(f"there is no log of {name}; `plugin status` names what was started")
    for line in last_lines(log, lines):
        click.echo(line)
    if follow:
        _follow(log)


@main.command()
@click.option(
    "--out", default="dist", show_default=True, type=click.Path(path_type=Path), help="Folder that gets the zip."
)
def build(out: Path) -> None:
    """Build the zip that `opensearch-plugin install file:...` takes."""
    home = polyrank_home()
    distribution = lay_out(ground_for(home), ArtifactStore(home / "artifacts"), progress=download_bar)
    click.echo(build_plugin(out, distribution))


for command in (search, explain, evaluate, tune, pipelines):
    main.add_command(command)


def _state(member: Member, path: str) -> dict[str, Any]:
    alive = member.alive
    memory = member.daemon.memory_bytes
    return {
        "name": member.name,
        "url": member.url,
        "pid": member.daemon.pid,
        "alive": alive,
        "ready": alive and answers(member.url + path, timeout_s=2.0),
        "memory_mb": memory >> 20 if memory else None,
        "log": str(member.log),
    }


def _sentence(state: dict[str, Any]) -> str:
    if not state["alive"]:
        return f"{state['name']} is DEAD (was pid {state['pid']} at {state['url']})"
    how = "runs" if state["ready"] else "runs but does not answer"
    return f"{state['name']} {how} at {state['url']} (pid {state['pid']}, {state['memory_mb']} MB)"


def _follow(log: Path) -> None:
    with log.open(encoding="utf-8", errors="replace") as stream:
        stream.seek(0, 2)
        while True:
            line = stream.readline()
            if line:
                click.echo(line, nl=False)
            else:
                time.sleep(0.2)
