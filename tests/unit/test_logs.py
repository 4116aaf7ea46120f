"""A log line holds what its allow-list names; where an error came from is told without its words."""

import json

import pytest
import structlog

from fhir_pmp.logs import error_location, start_logging


@pytest.mark.promise("P10")
def test_only_listed_fields_reach_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging("info")
    structlog.get_logger().info(
        "received", count=3, body="I feel worse", name="Alex", query="identifier=2950"
    )
    structlog.reset_defaults()
    line = json.loads(capsys.readouterr().err)
    assert line["count"] == 3
    assert set(line) == {"event", "level", "timestamp", "count"}


def test_below_the_level_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging("warning")
    structlog.get_logger().info("received", count=3)
    structlog.reset_defaults()
    assert capsys.readouterr().err == ""


@pytest.mark.promise("P10")
def test_the_place_of_an_error_leaves_its_words_out() -> None:
    try:
        raise ValueError("Alex answered 3")
    except ValueError as error:
        location = error_location(error)
    assert location.startswith("ValueError at ")
    assert "test_logs.py" in location
    assert "Alex" not in location
