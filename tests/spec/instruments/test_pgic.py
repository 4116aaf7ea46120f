"""The PGIC: one of seven categories, never a sum."""

from tests.spec import shipped


def test_there_is_no_scale_so_nothing_is_summed() -> None:
    pgic = shipped.instrument("pgic")
    assert pgic.scales == ()
    assert shipped.scorer("pgic")(shipped.answer([pgic.items[0].link_id], [2])) == ()


def test_the_seven_categories_go_from_much_better_to_much_worse() -> None:
    (item,) = shipped.instrument("pgic").items
    assert [option.value for option in item.options] == [1, 2, 3, 4, 5, 6, 7]
    assert [item.options[0].label, item.options[3].label, item.options[6].label] == [
        "Very much improved",
        "No change",
        "Very much worse",
    ]
