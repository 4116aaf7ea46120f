"""A rendered resource with holes: built once from marks by its builder, then filled for every fact of the same shape."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from operator import itemgetter
from typing import NamedTuple

from fhir_pmp.fhir.search.search_keys import Token
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource
from fhir_pmp.pathway.facts import Moment


class ResourceTemplate(NamedTuple):
    """A resource of one shape."""

    text: bytes  # the tail, a %b for each hole: `text % take(values)` fills it
    order_values: Callable[
        [tuple[bytes, ...]], tuple[bytes, ...]
    ]  # values in the marks' order; JSON text, unquoted
    identifier_system: str
    tokens: tuple[Token, ...]  # all but the identifier, which is the first


def build_template(rendered: RenderedResource, placeholders: Sequence[str]) -> ResourceTemplate:
    """The template of what a builder made from these marks: texts that JSON writes as they are, found nowhere else."""
    pattern = re.compile(b"|".join(re.escape(placeholder.encode()) for placeholder in placeholders))
    pieces = pattern.split(rendered.tail)
    value_positions = [
        placeholders.index(placeholder.decode()) for placeholder in pattern.findall(rendered.tail)
    ]
    # Filled by %: one pass over the pieces, many times faster than building and writing the resource again.
    text = b"%b".join(piece.replace(b"%", b"%%") for piece in pieces)
    identifier, *tokens = rendered.tokens
    return ResourceTemplate(text, itemgetter(*value_positions), identifier[1], tuple(tokens))


def placeholder_moment(placeholder: str, is_date_only: bool) -> Moment:
    """A moment whose text is a mark: a date only, or a date and time."""
    return Moment(placeholder, date.min, None if is_date_only else datetime.min.replace(tzinfo=UTC))
