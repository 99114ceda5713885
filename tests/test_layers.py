"""Three floors, one direction: a lower floor never imports a higher one, not even inside a function."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {"rerank": {"rerank"}, "plugin": {"plugin", "rerank"}, "ingest": {"ingest", "plugin", "rerank"}}
HEAVY = {"torch", "transformers", "sentence_transformers", "optimum", "datasets", "accelerate"}
HEAVY_FILES = ("rerank/training/", "rerank/exporting/", "rerank/benchmark/peers.py")
SOURCES = sorted(path for floor in ALLOWED for path in (ROOT / floor).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the top-level packages that a file imports anywhere, functions included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(path.relative_to(ROOT).parts[0] if node.level else (node.module or "").split(".")[0])
    return names


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_floor_imports_a_higher_one(path: Path) -> None:
    floor = path.relative_to(ROOT).parts[0]
    assert imported(path) & set(ALLOWED) <= ALLOWED[floor]


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_each_heavy_library_has_its_one_place(path: Path) -> None:
    name, found = relative(path), imported(path)
    assert "opensearchpy" not in found or name == "plugin/client.py"
    assert "onnxruntime" not in found or name in {"rerank/session.py", "rerank/quantization/fp16.py"}
    assert not found & HEAVY or name.startswith(HEAVY_FILES)
