"""A shop's TOML: which sources there are, and how each is read."""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import msgspec

from ingest.clean import Brands
from ingest.errors import FeedError, IngestError
from ingest.feeds import Feed, open_feed
from ingest.fusion.config import FusionConfig, FusionRules, SourceRank
from ingest.images import ImageConfig
from ingest.sources.mapping import FieldMapping
from ingest.sources.rules import FieldRule, Rules
from ingest.sources.source import Source
from ingest.sources.sql_feed import OVERLAP_S, SqlFeed, SqlQuery
from ingest.sources.web_feed import WebFeed
from ingest.translators import DICTIONARIES_ALONE, EngineConfig, TranslationConfig
from rerank.errors import MissingExtraError
from rerank.home import polyrank_home


class SourceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One `[[source]]`. Exactly one of `path`, `url` and `sql` says where it is; `${NAME}` in `url`, `sql` and
    `headers` is the environment's."""

    name: str
    path: str | None = None
    url: str | None = None
    sql: str | None = None
    format: str | None = None
    encoding: str | None = None
    language: str | None = None
    platform: str | None = None
    priority: int = 0
    id_prefix: str = ""
    fields: dict[str, str] = {}
    schema: dict[str, FieldRule] = {}
    headers: dict[str, str] = {}
    table: str | None = None
    query: str | None = None
    watermark: str | None = None
    overlap_s: float = OVERLAP_S


class ShopConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole TOML. `brands`: a brand's other spellings -> the one to use."""

    source: list[SourceConfig]
    brands: dict[str, str] = {}
    fusion: FusionConfig | None = None
    translation: TranslationConfig | None = None
    images: ImageConfig | None = None


@dataclass(frozen=True, slots=True)
class Shop:
    """Opened sources, in the order of the command line and the TOML, and what they are to be made of."""

    feeds: tuple[Feed, ...]
    brands: Mapping[str, str] = field(default_factory=dict)
    fusion: FusionRules | None = None
    translation: TranslationConfig = DICTIONARIES_ALONE
    images: ImageConfig | None = None

    def options(self) -> dict[str, Any]:
        """Return what of it a run takes as options."""
        return {
            "brands": Brands(self.brands),
            "fusion": self.fusion,
            "translation": self.translation,
            "images": self.images,
        }


def open_shop(paths: Sequence[Path], *, downloads: Path | None = None) -> Shop:
    """Open what a command line names: feeds, and TOMLs of sources (by the suffix .toml).

    With `[fusion]` the sources are read whole, unchanged or not: their records are needed side by side.

    Args:
        paths: at least one; of several TOMLs the sources add up, and at most one may have `[fusion]`, one
            `[translation]`, and one `[images]`.
        downloads: where files from the web are kept; None: below `polyrank_home()`.

    Raises:
        IngestError: a TOML cannot be used, or two sources have one name.
        FeedError: a feed cannot be opened.
    """
    configs = {path: read_shop(path) for path in paths if path.suffix.lower() == ".toml"}
    rules = [config.fusion for config in configs.values() if config.fusion is not None]
    translations = [config.translation for config in configs.values() if config.translation is not None]
    images = [_beside(path, config.images) for path, config in configs.items() if config.images is not None]
    if max(len(rules), len(translations), len(images)) > 1:
        raise IngestError(f"{paths[-1]}: only one of the TOMLs may have [fusion], [translation] or [images]")
    feeds: list[Feed] = []
    for path in paths:
        if path in configs:
            folder = downloads or polyrank_home() / "downloads"
            feeds += [_open(one, path, folder, whole=bool(rules)) for one in configs[path].source]
        else:
            feeds.append(Source(open_feed(path)))
    names = [feed.name for feed in feeds]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise IngestError(f"two sources have the name {min(twice)!r}; give each its own")
    sources = [source for config in configs.values() for source in config.source]
    ranks = {source.name: SourceRank(source.priority, source.platform) for source in sources}
    brands = {alias: brand for config in configs.values() for alias, brand in config.brands.items()}
    fusion = FusionRules(rules[0], ranks) if rules else None
    return Shop(
        tuple(feeds),
        brands,
        fusion,
        _with_keys(translations[0], paths[0]) if translations else DICTIONARIES_ALONE,
        images[0] if images else None,
    )


def read_shop(path: Path) -> ShopConfig:
    """Read a TOML.

    Raises:
        IngestError: it cannot be read, is no TOML, or holds a key or value that is none of ours.
    """
    try:
        config = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), ShopConfig)
    except OSError as error:
        raise IngestError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise IngestError(f"{path} is no list of sources: {_explained(error)}") from error
    if not config.source:
        raise IngestError(f"{path} names no source; add a [[source]] with name and path, url or sql")
    return config


SECTIONS: Mapping[str, type[msgspec.Struct]] = {
    "$": ShopConfig,
    "$.source": SourceConfig,
    "$.fusion": FusionConfig,
    "$.translation": TranslationConfig,
    "$.translation.engine": EngineConfig,
    "$.images": ImageConfig,
}
UNKNOWN = re.compile(r"unknown field `(?P<key>.*?)`(?: - at `(?P<place>.*)`)?$")


def _explained(error: Exception) -> str:
    """Return what is wrong with a TOML, and of a key that is none of ours which one is near."""
    found = UNKNOWN.search(str(error))
    section = SECTIONS.get(re.sub(r"\[[^]]*\]", "", found["place"] or "$")) if found else None
    if found is None or section is None:
        return str(error)
    keys = sorted(section.__struct_fields__)
    near = difflib.get_close_matches(found["key"], keys, 1)
    meant = f"; did you mean {near[0]}?" if near else f"; the keys are {', '.join(keys)}"
    return f"{(found['place'] or '$').removeprefix('$.')} has no key {found['key']!r}{meant}"


def _open(config: SourceConfig, toml: Path, downloads: Path, *, whole: bool) -> Source:
    """Open a source. What is wrong with it is said with its TOML and name."""
    where = f"{toml}, source {config.name!r}"
    try:
        return _opened(config, where, toml, downloads, whole=whole)
    except (FeedError, MissingExtraError) as error:
        raise type(error)(f"{where}: {error}") from error


def _opened(config: SourceConfig, where: str, toml: Path, downloads: Path, *, whole: bool) -> Source:
    if [config.path, config.url, config.sql].count(None) != 2:
        raise IngestError(f"{where}: give exactly one of path, url and sql")
    try:
        mapping, rules = FieldMapping(config.fields), Rules(config.schema)
    except IngestError as error:
        raise IngestError(f"{where}: {error}") from error
    if config.path is not None:
        place = toml.parent / Path(config.path).expanduser()
        feed = open_feed(place, kind=config.format, encoding=config.encoding)
    elif config.url is not None:

        def reader(file: Path, name: str) -> Feed:
            return open_feed(file, kind=config.format, encoding=config.encoding, name=name)

        headers = {name: _filled(value, where) for name, value in config.headers.items()}
        feed = WebFeed(_filled(config.url, where), downloads, reader, headers=headers, always=whole)
    else:
        query = SqlQuery(config.table, config.query, config.watermark, config.overlap_s)
        feed = SqlFeed(_filled(config.sql or "", where), query, always=whole)
    return Source(feed, mapping, name=config.name, language=config.language, id_prefix=config.id_prefix, rules=rules)


def _beside(toml: Path, config: ImageConfig) -> ImageConfig:
    """Return the paths as from the TOML's folder."""
    encoder = None if config.encoder is None else str(toml.parent / Path(config.encoder).expanduser())
    folder = str(toml.parent / Path(config.folder).expanduser())
    return msgspec.structs.replace(config, encoder=encoder, folder=folder)


def _with_keys(config: TranslationConfig, toml: Path) -> TranslationConfig:
    """Replace `${NAME}` in the engines' addresses and keys."""
    where = f"{toml}, [translation]"
    engines = [
        msgspec.structs.replace(
            one,
            url=None if one.url is None else _filled(one.url, where),
            api_key=None if one.api_key is None else _filled(one.api_key, where),
        )
        for one in config.engine
    ]
    return msgspec.structs.replace(config, engine=engines)


def _filled(text: str, where: str) -> str:
    """Replace `${NAME}` by the environment's value."""
    try:
        return Template(text).substitute(os.environ)
    except KeyError as error:
        raise IngestError(f"{where} needs the environment variable {error.args[0]}, which is not set") from error
    except ValueError as error:
        raise IngestError(f"{where}: write a dollar sign as $$, and a variable as ${{NAME}}: {error}") from error
