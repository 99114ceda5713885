"""HTML to plain text, for feeds whose descriptions come from a shop's editor."""

import html
import re
from html.parser import HTMLParser

MARKUP = re.compile(
    r"<(?:[a-zA-Z][^<>]*|/[a-zA-Z][^<>]*|!--.*?--|!\[CDATA\[.*?\]\])>|&(?:#\d+|#[xX][0-9a-fA-F]+|\w+);", re.S
)
BLOCKS = frozenset([
    "address", "article", "aside", "blockquote", "br", "caption", "dd", "div", "dl", "dt", "figcaption",
    "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol",
    "option", "p", "pre", "section", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
])  # fmt: skip
SILENT = frozenset({"script", "style", "template", "noscript", "head", "iframe", "svg"})


class _TextCollector(HTMLParser):
    """Collects the text that a reader would see; block elements separate words."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT:
            self._silent.append(tag)
        elif tag in BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            del self._silent[self._silent.index(tag) :]
        elif tag in BLOCKS:
            self.parts.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)

    def unknown_decl(self, data: str) -> None:
        if data.startswith("CDATA["):
            self.parts.append(data.removeprefix("CDATA["))


def html_to_text(text: str) -> str:
    """Return the text without markup; character references become characters.

    Text without a tag or a reference comes back as it is, so that "width < 5 mm" stays. Twice escaped text
    (`&amp;eacute;`) is unescaped twice. Scripts, styles and comments vanish. Does not collapse white space.
    """
    if not MARKUP.search(text):
        return text
    collector = _TextCollector()
    collector.feed(text)
    collector.close()
    return html.unescape("".join(collector.parts))
