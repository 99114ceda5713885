from plugin.search import PLAIN_FIELDS, plain_query


def test_the_plain_query_holds_nothing_of_polyrank() -> None:
    query = plain_query("red shoes")
    assert query["multi_match"]["query"] == "red shoes"
    assert query["multi_match"]["fields"] == list(PLAIN_FIELDS)
    assert "polyrank" not in str(query)
