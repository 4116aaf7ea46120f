"""What is cut off before sending, and when two contents are the same."""

import json

import pytest

from fhir_pmp.ehr.config.content import read_content, same_content


@pytest.mark.parametrize(
    ("theirs", "same"),
    [
        ('{"b":[1,{"c":7.10}],"a":"x"}', True),
        ('{"b":[1,{"c":7.10}],"a":"x","meta":{"versionId":"9"}}', True),
        ('{"b":[1,{"c":7.1}],"a":"x"}', False),
        ('{"b":[1,{"c":7.10}],"a":"y"}', False),
        ('{"b":[1,{"c":7.10}]}', False),
        ('{"b":[1,{"c":7.10}],"a":"x","d":true}', False),
        ('{"b":[{"c":7.10},1],"a":"x"}', False),
        ('{"b":[true,{"c":7.10}],"a":"x"}', False),
    ],
    ids=["order", "meta", "digits", "text", "missing", "more", "order of a list", "true is not one"],
)
def test_contents_are_compared_without_meta_and_order_of_members(theirs: str, same: bool) -> None:
    ours = read_content(b'{"a":"x","b":[1,{"c":7.10}]}')
    assert same_content(ours, read_content(theirs.encode())) is same


def test_the_comparison_can_be_turned_round() -> None:
    ours, theirs = json.loads('{"a":1}'), json.loads('{"a":1,"b":2}')
    assert not same_content(ours, theirs)
    assert not same_content(theirs, ours)
