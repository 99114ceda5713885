"""The vendors' own clients, pointed at our server: what they send is understood, what we answer they can read.

The light ones are installed with `dev`; the others with `pip install 'polyrank[dialects]'`, and their tests are skipped
with that line when they are not there.
"""

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import httpx
import pytest

from rerank.service.app import Service
from rerank.service.models import ModelPaths, Models, Workers
from rerank.service.tokens import Guard, new_token
from tests.rerank.served import served, wait_ready
from tests.rerank.tiny import DIMENSION, tiny_embedder, tiny_reranker

QUERY = "usb cable"
DOCUMENTS = ["red shoes", "usb cable", "garden hose"]


class Server:
    """Where it is, its key, and the order that it answers with."""

    def __init__(self, client: httpx.Client, key: str) -> None:
        self.url = str(client.base_url).rstrip("/")
        self.key = key
        self._client = client
        self._client.headers["Authorization"] = f"Bearer {key}"
        results = self.ask("/rerank", {"query": QUERY, "documents": DOCUMENTS})["results"]
        self.order = [item["index"] for item in results]
        self.scores = [item["relevance_score"] for item in results]
        self.vectors = self.ask("/embed", {"inputs": DOCUMENTS, "kind": "document"})

    def ask(self, path: str, body: object) -> Any:
        answer = self._client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("dialects")
    tiny_embedder(folder / "embedder")
    tiny_reranker(folder / "reranker")
    glossary = folder / "resources" / "glossary"
    glossary.mkdir(parents=True)
    (glossary / "shop.tsv").write_text("en\tde\nwireless\tkabellose\nheadphones\tkopfhörer\n", encoding="utf-8")
    key = new_token(folder / "tokens.json", "client", "use")
    paths = ModelPaths(
        (folder / "embedder",), (folder / "reranker",), folder / "resources", dictionaries=folder / "none"
    )
    service = Service(Models(paths, Workers()), guard=Guard(folder / "tokens.json"))
    with served(service) as client:
        wait_ready(client)
        yield Server(client, key)


def vendor(name: str) -> ModuleType:
    """Import a client, or skip the test with the line that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"{error}; pip install 'polyrank[dialects]'")


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """For Cohere's clients, which do not close their own."""
    with httpx.Client() as client:
        yield client


def test_cohere_v1_and_v2(server: Server, http: httpx.Client) -> None:
    cohere = vendor("cohere")
    one = cohere.Client(server.key, base_url=server.url, httpx_client=http)
    found = one.rerank(query=QUERY, documents=DOCUMENTS, model="rerank-v3.5", top_n=2, return_documents=True)
    assert [item.index for item in found.results] == server.order[:2]
    assert [item.relevance_score for item in found.results] == server.scores[:2]
    assert found.results[0].document.text == DOCUMENTS[server.order[0]]
    assert found.meta.api_version.version == "1"
    client = cohere.ClientV2(server.key, base_url=server.url, httpx_client=http)
    two = client.rerank(query=QUERY, documents=DOCUMENTS, model="rerank-v3.5")
    assert [item.index for item in two.results] == server.order
    assert two.meta.api_version.version == "2"


def test_cohere_s_client_reads_our_errors(server: Server, http: httpx.Client) -> None:
    cohere = vendor("cohere")
    stranger = cohere.ClientV2("pr_wrong", base_url=server.url, httpx_client=http)
    with pytest.raises(cohere.UnauthorizedError):
        stranger.rerank(query=QUERY, documents=DOCUMENTS, model="m")
    client = cohere.ClientV2(server.key, base_url=server.url, httpx_client=http)
    with pytest.raises(cohere.UnprocessableEntityError) as refused:
        client.rerank(query=" ", documents=DOCUMENTS, model="m")
    assert "blank" in refused.value.body["error"]["message"]


def test_openai_embeddings(server: Server) -> None:
    openai = vendor("openai")
    with openai.OpenAI(api_key=server.key, base_url=f"{server.url}/v1", max_retries=0) as client:
        for encoding in ({}, {"encoding_format": "float"}):  # by itself it asks for base64
            found = client.embeddings.create(input=DOCUMENTS, model="text-embedding-3-small", **encoding)
            assert [item.index for item in found.data] == [0, 1, 2]
            for item, vector in zip(found.data, server.vectors, strict=True):
                assert item.embedding == pytest.approx(vector, abs=1e-6)
        assert found.usage.total_tokens == 3 * 4
        with pytest.raises(openai.UnprocessableEntityError, match=str(DIMENSION)):
            client.embeddings.create(input="usb", model="m", dimensions=DIMENSION // 2)


def test_libretranslate(server: Server) -> None:
    client = vendor("libretranslatepy").LibreTranslateAPI(f"{server.url}/", api_key=server.key)
    assert client.translate("kabellose kopfhörer", "de", "en") == "wireless headphones"
    assert client.translate("kabellose kopfhörer", "auto", "en") == "wireless headphones"
    assert client.detect("kabellose kopfhörer")[0]["language"] == "de"
    assert {"code": "de", "name": "German", "targets": ["en"]} in client.languages()


def test_several_texts_at_once_as_libretranslate_takes_them(server: Server) -> None:
    """And for each who translated it, which LibreTranslate does not tell."""
    body = {"q": ["kabellose kopfhörer", "kopfhörer ABC-123", "ABC-123"], "source": "de", "target": "en"}
    found = server.ask("/translate", body)
    assert found["translatedText"] == ["wireless headphones", "headphones ABC-123", "ABC-123"]
    assert found["engine"][2] == "keep"
    assert "keep" not in found["engine"][:2]


def test_voyage_rerank_and_embed(server: Server) -> None:
    voyage = vendor("voyageai").Client(api_key=server.key, base_url=f"{server.url}/voyage/v1", max_retries=0)
    found = voyage.rerank(QUERY, DOCUMENTS, model="rerank-2", top_k=2)
    assert [item.index for item in found.results] == server.order[:2]
    assert [item.relevance_score for item in found.results] == server.scores[:2]
    assert found.results[0].document == DOCUMENTS[server.order[0]]
    embedded = voyage.embed(DOCUMENTS, model="voyage-3", input_type="document")
    assert embedded.embeddings[1] == pytest.approx(server.vectors[1], abs=1e-6)


def test_voyage_s_client_reads_our_errors(server: Server) -> None:
    voyageai, errors = vendor("voyageai"), vendor("voyageai.error")
    client = voyageai.Client(api_key=server.key, base_url=f"{server.url}/voyage/v1", max_retries=0)
    with pytest.raises(errors.MalformedRequestError, match="blank"):
        client.rerank(" ", DOCUMENTS, model="rerank-2")
    stranger = voyageai.Client(api_key="pr_wrong", base_url=f"{server.url}/voyage/v1", max_retries=0)
    with pytest.raises(errors.AuthenticationError):
        stranger.rerank(QUERY, DOCUMENTS, model="rerank-2")


def test_tei_by_huggingface_s_shape(server: Server) -> None:
    body = {"query": QUERY, "texts": DOCUMENTS, "return_text": True, "raw_scores": False}
    for path in ("/rerank", "/tei/rerank"):
        found = server.ask(path, body)
        assert [item["index"] for item in found] == server.order
        assert found[0]["text"] == DOCUMENTS[server.order[0]]


def test_langchain_with_cohere(server: Server, http: httpx.Client) -> None:
    documents = vendor("langchain_core.documents")
    cohere = vendor("cohere")
    compressor = vendor("langchain_cohere").CohereRerank(
        client=cohere.ClientV2(server.key, base_url=server.url, httpx_client=http), model="rerank-v3.5", top_n=2
    )
    found = compressor.compress_documents([documents.Document(text) for text in DOCUMENTS], QUERY)
    assert [item.page_content for item in found] == [DOCUMENTS[place] for place in server.order[:2]]


def test_llama_index_with_tei(server: Server) -> None:
    schema = vendor("llama_index.core.schema")
    tei = vendor("llama_index.postprocessor.tei_rerank")
    rerank = tei.TextEmbeddingInference(
        base_url=server.url, auth_token=f"Bearer {server.key}", top_n=2, model_name="tiny"
    )
    nodes = [schema.NodeWithScore(node=schema.TextNode(text=text), score=0.1) for text in DOCUMENTS]
    found = rerank.postprocess_nodes(nodes, query_str=QUERY)
    assert [item.node.get_content() for item in found] == [DOCUMENTS[place] for place in server.order[:2]]


def test_llama_index_with_jina(server: Server) -> None:
    schema = vendor("llama_index.core.schema")
    jina = vendor("llama_index.postprocessor.jinaai_rerank")
    rerank = jina.JinaRerank(api_key=server.key, base_url=f"{server.url}/jina/v1", top_n=2, model="jina-reranker-v2")
    nodes = [schema.NodeWithScore(node=schema.TextNode(text=text), score=0.1) for text in DOCUMENTS]
    found = rerank.postprocess_nodes(nodes, query_str=QUERY)
    assert [item.node.get_content() for item in found] == [DOCUMENTS[place] for place in server.order[:2]]


def test_haystack_with_cohere(server: Server) -> None:
    haystack, secrets = vendor("haystack"), vendor("haystack.utils")
    rankers = vendor("haystack_integrations.components.rankers.cohere")
    ranker = rankers.CohereRanker(
        api_key=secrets.Secret.from_token(server.key), api_base_url=server.url, top_k=2, model="rerank-v3.5"
    )
    found = ranker.run(QUERY, [haystack.Document(content=text) for text in DOCUMENTS])["documents"]
    assert [item.content for item in found] == [DOCUMENTS[place] for place in server.order[:2]]
