"""What every Sink keeps to; each one's test inherits this."""

import pytest

from ingest.document import Document, Record
from ingest.sinks import Outcome, Sink


def product(doc_id: str, title: str = "Lamp", **values: object) -> Document:
    """Return a document as the stages hand it to a sink."""
    return Document(id=doc_id, record=Record("test", 1, {"id": doc_id}), title=title, language="en", **values)  # type: ignore[arg-type]


class SinkContract:
    """Writing twice is writing once; outcomes come in the order of the documents."""

    @pytest.fixture
    def sink(self) -> Sink:
        raise NotImplementedError

    def stored_titles(self, sink: Sink) -> dict[str, str]:
        """Return id -> title of what the sink holds now."""
        raise NotImplementedError

    def test_is_a_sink(self, sink: Sink) -> None:
        assert isinstance(sink, Sink)

    def test_takes_the_empty_batch(self, sink: Sink) -> None:
        assert sink.write([]) == []

    def test_writing_twice_is_writing_once(self, sink: Sink) -> None:
        first = sink.write([product("b", "Bed"), product("a", "Arc")])
        second = sink.write([product("c", "Cup"), product("a", "Arch")])
        assert first == [Outcome("created"), Outcome("created")]
        assert second == [Outcome("created"), Outcome("updated")]
        assert self.stored_titles(sink) == {"a": "Arch", "b": "Bed", "c": "Cup"}
