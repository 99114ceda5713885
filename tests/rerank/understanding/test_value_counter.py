from rerank.understanding.field_values import MAX_FIELDS, MAX_VALUES, MIN_DOCUMENTS, ValueCounter


def test_values_that_are_frequent_enough_are_listed_by_field() -> None:
    counter = ValueCounter()
    for _ in range(MIN_DOCUMENTS):
        counter.add({"brand": "Pelikan", "attrs": {"colour": "dark  blue"}})
    counter.add({"attrs": {"colour": "once"}})
    assert [(row.field, row.value, row.documents) for row in counter.rows()] == [
        ("attrs.colour", "dark blue", MIN_DOCUMENTS),
        ("brand", "Pelikan", MIN_DOCUMENTS),
    ]


def test_a_field_of_too_many_values_is_let_go_for_good() -> None:
    counter = ValueCounter()
    for place in range(MAX_VALUES + 1):
        counter.add({"serial": str(place)})
    for _ in range(MIN_DOCUMENTS):
        counter.add({"serial": "0", "brand": "Pelikan"})
    assert [row.field for row in counter.rows()] == ["brand"]


def test_names_that_are_data_do_not_fill_the_memory() -> None:
    counter = ValueCounter()
    for _ in range(MIN_DOCUMENTS):
        counter.add({"attrs": {"colour": "blue"}})
        counter.add({"attrs": {f"part {place}": "yes" for place in range(2 * MAX_FIELDS)}})
    rows = counter.rows()
    assert len(rows) == MAX_FIELDS
    assert ("attrs.colour", "blue") in {(row.field, row.value) for row in rows}
