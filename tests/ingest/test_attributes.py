from ingest.attributes import attribute_name, attributes_text


def test_names_become_words() -> None:
    assert attribute_name("t_product_colour") == "product colour"
    assert attribute_name("n_usb_2_0_ports__x_") == "usb 2 0 ports x"
    assert attribute_name("Material") == "material"


def test_what_shoppers_name_comes_first_and_the_rest_in_feed_order() -> None:
    attrs = {"t_zip": "long", "t_collar": "round", "t_material": "wool", "t_type": "Jumper"}
    assert attributes_text(attrs) == "type: Jumper; material: wool; zip: long; collar: round"


def test_numbers_flags_and_logistics_are_left_out_unless_preferred() -> None:
    attrs = {"n_width": 3.0, "b_lcd": True, "b_bluetooth": True, "t_package_type": "Box", "t_range": "10 - 20"}
    assert attributes_text(attrs) == "bluetooth"


def test_values_keep_their_first_line_and_eight_words() -> None:
    attrs = {"t_a": "one two three four five six seven eight nine", "t_b": "first\\nsecond", "t_c": ["list"]}
    assert attributes_text(attrs) == "a: one two three four five six seven eight; b: first"


def test_of_two_keys_with_one_name_the_first_with_text_wins() -> None:
    assert attributes_text({"t_type": "", "n_type": 7.0, "type": "Lamp"}) == "type: 7"


def test_twelve_at_most() -> None:
    assert attributes_text({f"t_key{number}": "word" for number in range(20)}).count(";") == 11


def test_a_number_of_hundreds_of_digits_is_told_as_it_is() -> None:
    assert attributes_text({"n_material": 10**400}) == f"material: {10**400}"
