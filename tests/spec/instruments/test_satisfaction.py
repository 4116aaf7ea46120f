"""Satisfaction: two answers, reported as they are given and never summed."""

from tests.spec import shipped


def test_there_is_no_scale_so_nothing_is_summed() -> None:
    satisfaction = shipped.instrument("satisfaction")
    assert satisfaction.scales == ()
    assert (
        shipped.scorer("satisfaction")(shipped.answer([item.link_id for item in satisfaction.items], [5, 1]))
        == ()
    )


def test_only_the_published_words_are_used() -> None:
    satisfaction, recommend = shipped.instrument("satisfaction").items
    assert [(option.value, option.label) for option in satisfaction.options] == [
        (1, "1 of 5"),
        (2, "2 of 5"),
        (3, "3 of 5"),
        (4, "Satisfied"),
        (5, "Very satisfied"),
    ]
    assert [(option.value, option.label) for option in recommend.options] == [(0, "No"), (1, "Yes")]
