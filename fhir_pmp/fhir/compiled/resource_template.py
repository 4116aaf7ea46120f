"""Makes byte templates from rendered resources whose values are placeholders."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from operator import itemgetter
from typing import NamedTuple

from fhir_pmp.fhir.search.search_keys import Token
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.pathway.facts import Moment


class ResourceTemplate(NamedTuple):
    """The template of resources that have the same elements and differ in values only."""

    text: bytes  # the tail with %b for each value: `text % order_values(values)` fills it
    order_values: Callable[
        [tuple[bytes, ...]], tuple[bytes, ...]
    ]  # values in the placeholders' order; JSON text without quotation marks
    identifier_system: str
    tokens: tuple[Token, ...]  # without the identifier, which comes first


def build_template(rendered: RenderedResource, placeholders: Sequence[str]) -> ResourceTemplate:
    """Makes the template of a resource built with these placeholders.

    A placeholder must be text that JSON does not escape and that occurs nowhere else in the resource.
    """
    pattern = re.compile(b"|".join(re.escape(placeholder.encode()) for placeholder in placeholders))
    pieces = pattern.split(rendered.tail)
    value_positions = [
        placeholders.index(placeholder.decode()) for placeholder in pattern.findall(rendered.tail)
    ]
    # Filling by % takes one pass, much faster than building and writing the resource again.
    text = b"%b".join(piece.replace(b"%", b"%%") for piece in pieces)
    identifier, *tokens = rendered.tokens
    return ResourceTemplate(text, itemgetter(*value_positions), identifier[1], tuple(tokens))


def placeholder_moment(placeholder: str, is_date_only: bool) -> Moment:
    """Returns a date, or a date and time, that has a placeholder as its text."""
    return Moment(placeholder, date.min, None if is_date_only else datetime.min.replace(tzinfo=UTC))
