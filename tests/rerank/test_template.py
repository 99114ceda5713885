import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank.errors import ModelInputError
from rerank.template import DEFAULT_TEMPLATE, DocumentTemplate, TemplateField

TWO = DocumentTemplate((TemplateField("title", 3), TemplateField("brand")), " | ")


def test_fields_are_glued_in_the_template_order() -> None:
    assert TWO.render({"brand": "Lumo", "title": "Desk lamp", "price": "9"}) == "Desk lamp | Lumo"


@pytest.mark.parametrize("title", ["", "  ", "\n\t"])
def test_a_blank_field_leaves_no_separator(title: str) -> None:
    assert TWO.render({"title": title, "brand": "Lumo"}) == "Lumo"


def test_nothing_renders_as_nothing() -> None:
    assert TWO.render({"price": "9"}) == ""


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("one two three four", "one two three"),
        ("usb-c hub", "usb-c"),
        ("無線耳機", "無線耳"),
        ("a" * 40, "a" * 40),
        ("a" * 60, "a" * 48),
    ],
)
def test_a_budget_counts_words_signs_and_single_characters_of_unspaced_scripts(value: str, kept: str) -> None:
    assert TWO.render({"title": value}) == kept


@given(st.dictionaries(st.sampled_from(["title", "brand", "attributes", "text"]), st.text(max_size=300)))
def test_rendering_its_own_title_again_changes_nothing(fields: dict[str, str]) -> None:
    once = DEFAULT_TEMPLATE.render({"title": fields.get("title", "")})
    assert DEFAULT_TEMPLATE.render({"title": once}) == once
    assert "\n" not in DEFAULT_TEMPLATE.render(fields)


def test_the_manifest_form_comes_back() -> None:
    assert DocumentTemplate.from_json(DEFAULT_TEMPLATE.to_json()) == DEFAULT_TEMPLATE


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"fields": []},
        {"fields": ["title"]},
        {"fields": [{"name": ""}]},
        {"fields": [{"name": "title", "max_tokens": 0}]},
        {"fields": [{"name": "title", "max_tokens": True}]},
        {"fields": [{"name": "title"}, {"name": "title"}]},
        {"fields": [{"name": "title"}], "separator": 1},
    ],
)
def test_a_wrong_template_is_refused(data: object) -> None:
    with pytest.raises(ModelInputError):
        DocumentTemplate.from_json(data)
