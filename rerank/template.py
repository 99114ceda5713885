"""The document template: which fields a model reads, in which order and how much of each. The only place
that glues fields, so training, export, serving and the index read the same text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rerank.errors import ModelInputError

TOKEN = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    r"|\w{1,16}|[^\w\s]"
)
"""What a field's budget counts: a word (each 16 characters of a longer one), a sign, or one character of a
script written without spaces. Independent of any tokenizer, hence the same in every program."""


@dataclass(frozen=True, slots=True)
class TemplateField:
    """One field of a template; `max_tokens` None takes all of it."""

    name: str
    max_tokens: int | None = None

    def take(self, value: str) -> str:
        """Return the value with runs of white space made one space, cut after `max_tokens` tokens."""
        value = " ".join(value.split())
        if self.max_tokens is None or len(value) <= self.max_tokens:
            return value
        for count, token in enumerate(TOKEN.finditer(value), start=1):
            if count == self.max_tokens:
                return value[: token.end()]
        return value


@dataclass(frozen=True, slots=True)
class DocumentTemplate:
    """Fields in reading order, joined by `separator`."""

    fields: tuple[TemplateField, ...]
    separator: str = " | "

    def render(self, fields: Mapping[str, str]) -> str:
        """Glue the template's fields into the text a model reads.

        A missing or blank field is left out with its separator; fields the template does not name are
        ignored. Does not cut to the model's `max_length`: the tokenizer does.

        Args:
            fields: field name (title, brand, category, attributes, text) to plain text.

        Returns:
            One line; empty when no field of the template has a value.
        """
        parts = (field.take(fields.get(field.name) or "") for field in self.fields)
        return self.separator.join(part for part in parts if part)

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's form."""
        return {
            "fields": [
                {"name": field.name} | ({} if field.max_tokens is None else {"max_tokens": field.max_tokens})
                for field in self.fields
            ],
            "separator": self.separator,
        }

    @classmethod
    def from_json(cls, data: object) -> "DocumentTemplate":
        """Read the manifest's form.

        Raises:
            ModelInputError: a field has no name, is named twice, or has a budget that is not positive.
        """
        if not isinstance(data, Mapping) or not isinstance(data.get("fields"), list) or not data["fields"]:
            raise ModelInputError("a template needs `fields`: a list of {name, max_tokens}")
        separator = data.get("separator", " | ")
        if not isinstance(separator, str):
            raise ModelInputError("a template's `separator` must be a string")
        fields = tuple(_field(item) for item in data["fields"])
        if len({field.name for field in fields}) != len(fields):
            raise ModelInputError("a template names one of its fields twice")
        return cls(fields, separator)


def _field(item: object) -> TemplateField:
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str) or not item["name"]:
        raise ModelInputError(f"a template's field needs a `name`, got {item!r}")
    budget = item.get("max_tokens")
    if budget is not None and (not isinstance(budget, int) or isinstance(budget, bool) or budget < 1):
        raise ModelInputError(f"max_tokens of field {item['name']!r} must be a positive whole number")
    return TemplateField(item["name"], budget)


DEFAULT_TEMPLATE = DocumentTemplate(
    (
        TemplateField("title", 48),
        TemplateField("brand"),
        TemplateField("attributes", 32),
        TemplateField("text", 64),
    )
)
"""Used when a model folder names no template."""
