"""Google Merchant feeds in XML: RSS 2.0 or Atom, products in the namespace of the prefix `g`.

The file is cut at its products, and each is parsed by itself. So memory holds one product, a broken product costs
itself alone, and there is no document type in which entities could be declared, let alone expand.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from ingest.document import DeadLetter, Record
from ingest.errors import FeedError
from ingest.file_feed import FileFeed
from ingest.text_file import HEAD_CHARS, NOT_UTF8, readable, shown

CHUNK_CHARS = 65_536
MAX_PRODUCT_CHARS = 2_000_000
TOKENS = re.compile(
    r"<!\[CDATA\[|\]\]>|<!--|-->|<(?P<open>item|entry|product)(?=[\s>])[^<>]*>|</(?P<close>item|entry|product)\s*>"
)
PARTIAL = 2000
"""A token may be cut by the end of a chunk; so much is looked at again."""

HIDING = {"<![CDATA[": "]]>", "<!--": "-->"}
CLOSING = re.compile(r"</(?:[\w.-]+:)?(?:rss|feed|channel|products|items|root|rdf|RDF)\s*>\s*(?:<!--.*?-->\s*)*$", re.S)
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that XML cannot hold and feeds do."""
ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
PREFIX = re.compile(r"<\s*/?\s*([A-Za-z_][\w.-]*):|\s([A-Za-z_][\w.-]*):[A-Za-z_]")
XML_ENTITIES = frozenset({"amp", "lt", "gt", "quot", "apos"})
GOOGLE = "http://base.google.com/ns/1.0"


@dataclass(frozen=True, slots=True)
class _Piece:
    """The text of one product, the line it starts on, and what is wrong with it, if anything."""

    line: int
    text: str
    reason: str = ""


class GoogleFeed(FileFeed):
    """A product feed in XML. Element names lose their namespace; a repeated element becomes a list, one with
    children an object. `link` of Atom is its address."""

    def entries(self) -> Iterator[Record | DeadLetter]:
        """Read product by product.

        Raises:
            FeedError: the file is not XML, or ends before its closing tag.
        """
        for piece in self._pieces():
            if piece.reason:
                yield DeadLetter(self.name, piece.line, piece.reason, raw=shown(piece.text[:HEAD_CHARS]))
            else:
                yield self._entry(piece)

    def _entry(self, piece: _Piece) -> Record | DeadLetter:
        if not readable(piece.text):
            return DeadLetter(self.name, piece.line, f"the product {NOT_UTF8}", raw=shown(piece.text))
        try:
            product = ElementTree.fromstring(_wrapped(piece.text))[0]
        except (ElementTree.ParseError, IndexError, ValueError) as error:
            return DeadLetter(self.name, piece.line, f"not XML: {error}", raw=piece.text)
        try:
            fields = _children(product)
        except RecursionError:
            return DeadLetter(self.name, piece.line, "not XML: elements are nested too deeply", raw=piece.text)
        return Record(self.name, piece.line, fields)

    def _pieces(self) -> Iterator[_Piece]:
        """Cut the file at its products."""
        cutter, read = _Cutter(), False
        with self._file.open(newline="\n") as text:
            while chunk := text.read(CHUNK_CHARS):
                if not read and not chunk.lstrip("\ufeff \t\r\n").startswith("<"):
                    raise FeedError(f"{self.name} is not XML; a product feed is RSS 2.0 or Atom")
                read = True
                yield from cutter.add(chunk)
            yield from cutter.add("", last=True)
        if read and not cutter.closed:
            raise FeedError(f"{self.name} ends before its closing tag; what came before it was ingested")


class _Cutter:
    """Finds the products in the chunks of a file. CDATA and comments hide tags; text between products is skipped."""

    def __init__(self) -> None:
        self._buffer = ""
        self._line = 1
        self._open: str | None = None  # the element that began and has not ended
        self._first_line = 1
        self._hidden_until: str | None = None
        self._held: list[str] = []
        self._chars = 0
        self._tail = ""

    @property
    def closed(self) -> bool:
        """Whether the file ended with the closing tag of its list."""
        return CLOSING.search(self._tail) is not None

    def add(self, chunk: str, *, last: bool = False) -> Iterator[_Piece]:
        """Take a chunk; give the products that end in it, with the last one also the product that does not end."""
        self._tail = (self._tail + chunk)[-PARTIAL:]
        text, done = self._buffer + chunk, 0
        for token in TOKENS.finditer(text):
            if self._hidden_until is not None:
                if token.group() == self._hidden_until:
                    self._hidden_until = None
            elif token.group() in HIDING:
                self._hidden_until = HIDING[token.group()]
            elif token["open"]:
                self._take(text[done : token.start()])
                if self._open is not None:
                    yield self._piece(f"not XML: <{self._open}> does not end before the next <{token['open']}>")
                self._open, self._first_line = token["open"], self._line
                done = token.start()
            elif token["close"] == self._open and self._open is not None:
                self._take(text[done : token.end()])
                done = token.end()
                yield self._piece()
        # What follows the last token holds at most the beginning of another.
        scanned = max(done, *(token.end() for token in TOKENS.finditer(text, done)), 0)
        cut = len(text) if last else max(scanned, len(text) - PARTIAL)
        self._take(text[done:cut])
        self._buffer = text[cut:]
        if self._open is not None and self._chars > MAX_PRODUCT_CHARS:
            yield self._piece(f"the product is longer than {MAX_PRODUCT_CHARS} characters")
        if last and self._open is not None:
            yield self._piece(f"not XML: <{self._open}> does not end")

    def _take(self, text: str) -> None:
        """Move text out of the buffer: into the open product, or past."""
        self._line += text.count("\n")
        if self._open is not None:
            self._held.append(text)
            self._chars += len(text)

    def _piece(self, reason: str = "") -> _Piece:
        """Close the open product."""
        piece = _Piece(self._first_line, "".join(self._held), reason)
        self._open, self._held, self._chars, self._hidden_until = None, [], 0, None
        return piece


def _wrapped(product: str) -> str:
    """Return a product inside an element that declares its namespace prefixes, HTML's entities replaced."""
    prefixes = {prefix for match in PREFIX.findall(product) for prefix in match if prefix} - {"xml", "xmlns"}
    declared = "".join(f' xmlns:{prefix}="{GOOGLE}"' for prefix in sorted(prefixes))
    return f"<products{declared}>{ENTITY.sub(_entity, CONTROL.sub('', product))}</products>"


def _entity(found: re.Match[str]) -> str:
    return found.group() if found[1] in XML_ENTITIES else html.unescape(found.group())


def _children(element: ElementTree.Element) -> dict[str, Any]:
    """Return an element's children by local name, in order."""
    fields: dict[str, Any] = {}
    for child in element:
        name, value = child.tag.rpartition("}")[2], _value(child)
        if value in ("", {}):
            continue
        if name in fields:
            known = fields[name]
            fields[name] = [*known, value] if isinstance(known, list) else [known, value]
        else:
            fields[name] = value
    return fields


def _value(element: ElementTree.Element) -> Any:
    if len(element):
        nested = _children(element)
        markup = element.text and element.text.strip()
        return " ".join("".join(element.itertext()).split()) if markup else nested
    return (element.text or "").strip() or element.get("href", "")
