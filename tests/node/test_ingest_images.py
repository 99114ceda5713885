"""Image vectors in a real index: from the feed, and by an encoder of the pictures that the feed names."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from plugin.client import OpenSearch
from plugin.index import read_meta
from plugin.pipelines import config_for, read_pipeline
from rerank.embedder import load_embedder
from tests.ingest.test_images import paint
from tests.node.conftest import RunningNode
from tests.rerank.tiny_images import IMAGE_DIMENSION, tiny_image_encoder

pytestmark = pytest.mark.node
ALIAS = "ingest-images"
INDEX = f"{ALIAS}-000001"
GIVEN = '[images]\nfingerprint = "clip-b32"\ndimension = 3\n'
SOURCE = '[[source]]\nname = "shop"\npath = "shop.jsonl"\n[source.fields]\nimage_vector = "visual.clip"\n'


@dataclass
class Shop:
    """A shop's folder, and the command with everything it writes there."""

    folder: Path
    url: str
    client: OpenSearch

    def write(self, toml: str, records: list[dict[str, Any]]) -> None:
        (self.folder / "shop.toml").write_text(toml, encoding="utf-8")
        (self.folder / "shop.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")

    def ingest(self, *arguments: str) -> Result:
        places = ["--resources", str(self.folder / "resources"), "--dead-letters", str(self.folder / "dead.jsonl")]
        line = [*arguments, "--index", ALIAS, "--url", self.url, "--json", "--no-translate", *places]
        return CliRunner().invoke(main, line)

    def run(self, *more: str, code: int = 0) -> dict[str, Any]:
        result = self.ingest("run", str(self.folder / "shop.toml"), *more)
        assert result.exit_code == code, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def nearest(self, vector: list[float], field: str = "image_embedding") -> list[str]:
        """Search with a caller's own knn query through the alias' pipeline."""
        body = {"query": {"knn": {field: {"vector": vector, "k": 2}}}, "size": 2}
        answer = self.client.search(index=ALIAS, body=body, params={"search_pipeline": ALIAS})
        return [hit["_id"] for hit in answer["hits"]["hits"]]

    def stored(self, doc_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(index=ALIAS, id=doc_id)["_source"]
        return found


@pytest.fixture
def shop(node: RunningNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("POLYRANK_HOME", str(tmp_path / "home"))
    yield Shop(tmp_path, node.url, node.client)
    node.client.indices.delete(index=f"{ALIAS}-*")
    node.client.search_pipeline.delete(id=ALIAS, params={"ignore": 404})


def product(doc_id: str, title: str, **more: Any) -> dict[str, Any]:
    return {"id": doc_id, "lang": "en", "title": title, **more}


def test_vectors_of_a_feed(shop: Shop) -> None:
    records = [
        product("a", "red lamp", visual={"clip": [2, 0, 0]}),
        product("b", "blue lamp", visual={"clip": [0, 1, 1]}),
        product("c", "lamp without a picture"),
        product("d", "lamp of another model", visual={"clip": [1, 0]}),
        product("e", "lamp of no model", visual={"clip": [0, 0, 0]}),
    ]
    shop.write(GIVEN + SOURCE, records)
    first = shop.run(code=3)
    assert (first["created"], first["dead_letters"], first["images"]) == (3, 2, 0)
    assert set(first["reasons"]) == {
        "image_vector has 2 numbers, the index takes 3",
        "image_vector has the length 0 and points nowhere",
    }
    mapping = shop.client.indices.get_mapping(index=ALIAS)[INDEX]["mappings"]
    field = mapping["properties"]["image_embedding"]
    assert (field["type"], field["dimension"]) == ("knn_vector", 3)
    meta = read_meta(shop.client, ALIAS)
    assert meta["vectors"]["image_embedding"] == {
        "fingerprint": "clip-b32",
        "dimension": 3,
        "bundle": "clip-b32",
        "of": "image",
        "encoder": "",
    }
    assert shop.stored("a")["image_embedding"] == [1.0, 0.0, 0.0]
    processor = read_pipeline(shop.client, ALIAS)["request_processors"][0]["hybrid_rerank"]
    assert [one["knn"]["field"] for one in processor["retrievers"] if "knn" in one] == ["embedding"]
    assert shop.nearest([0, 0.6, 0.8]) == ["b", "a"]
    assert shop.run(code=3)["unchanged"] == 3
    letters = shop.folder / "dead.jsonl"
    lines = [json.loads(line) for line in letters.read_text(encoding="utf-8").splitlines()]
    (mended,) = [one for one in lines if one["record"]["id"] == "d"]
    mended["record"]["image_vector"] = [0, 0, 1]
    letters.write_text(json.dumps(mended), encoding="utf-8")
    replayed = shop.ingest("replay", str(letters))
    assert replayed.exit_code == 0, replayed.output
    assert shop.stored("d")["image_embedding"] == [0.0, 0.0, 1.0]


def test_a_changed_vector_is_written_and_another_model_has_a_field_of_its_own(shop: Shop) -> None:
    shop.write(GIVEN + SOURCE, [product("a", "red lamp", visual={"clip": [1, 0, 0]}), product("b", "lamp")])
    shop.run()
    shop.write(GIVEN + SOURCE, [product("a", "red lamp", visual={"clip": [0, 1, 0]}), product("b", "lamp")])
    changed = shop.run()
    assert (changed["updated"], changed["unchanged"], changed["embedded"]) == (1, 1, 0)
    assert shop.stored("a")["image_embedding"] == [0.0, 1.0, 0.0]
    shop.write(GIVEN.replace("b32", "l14") + SOURCE, [product("a", "red lamp", visual={"clip": [0, 1, 0]})])
    shop.run("--deletes", "off")
    assert "image_embedding" not in shop.stored("a")
    assert shop.stored("a")["image_embedding_2"] == [0.0, 1.0, 0.0]
    vectors = read_meta(shop.client, ALIAS)["vectors"]
    assert vectors["image_embedding"]["replaced_by"] == "image_embedding_2"
    assert "replaced_by" not in vectors["embedding"]


def test_pictures_are_encoded_once_and_stay_with_a_reindex(shop: Shop) -> None:
    text = load_embedder()
    tiny_image_encoder(shop.folder / "clip")
    toml = '[images]\nencoder = "clip"\nfolder = "pictures"\n[[source]]\nname = "shop"\npath = "shop.jsonl"\n'
    (shop.folder / "pictures").mkdir()
    for name, colour in (("red", (255, 0, 0)), ("green", (0, 255, 0))):
        paint(shop.folder / "pictures" / f"{name}.png", colour)
    records = [product("a", "lamp", image_link="red.png"), product("b", "lamp", image_link="green.png")]
    shop.write(toml, [*records, product("c", "lamp", image_link="gone.png")])
    first = shop.run()
    assert (first["created"], first["images"], first["problems"]) == (3, 2, {"image (no such file)": 1})
    assert len(shop.stored("a")["image_embedding"]) == IMAGE_DIMENSION
    assert "image_embedding" not in shop.stored("c")
    paint(shop.folder / "pictures" / "gone.png", (0, 0, 255))
    records[0]["price"] = 7
    shop.write(toml, [*records, product("c", "lamp", image_link="gone.png")])
    second = shop.run()
    assert (second["updated"], second["unchanged"], second["images"]) == (2, 1, 1)
    assert shop.stored("a")["price"] == 7
    assert len(shop.stored("a")["image_embedding"]) == IMAGE_DIMENSION
    bare = shop.ingest("run", str(shop.folder / "shop.jsonl"))
    assert bare.exit_code == 1
    assert "would lose theirs" in bare.stderr
    built = shop.ingest("reindex", "build", str(shop.folder / "shop.toml"))
    assert built.exit_code == 0, built.output
    assert shop.client.get(index=f"{ALIAS}-000002", id="c")["_source"]["image_embedding"]
    meta = read_meta(shop.client, f"{ALIAS}-000002")
    assert meta["vectors"]["image_embedding"] == read_meta(shop.client, ALIAS)["vectors"]["image_embedding"]
    assert config_for(meta, None).vector_fields == ("embedding",)
    meta["vectors"]["image_embedding"]["fingerprint"] = text.fingerprint  # as of a bundle that names its space
    assert config_for(meta, None).vector_fields == ("embedding", "image_embedding")
