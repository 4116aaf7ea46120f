"""A rendered resource with holes: built once from marks by its builder, then filled for every fact of the same shape."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from operator import itemgetter
from typing import NamedTuple

from fhir_pmp.fhir.rendered import Rendered
from fhir_pmp.fhir.search_keys import Token
from fhir_pmp.pathway.facts import Moment


class Template(NamedTuple):
    """A resource of one shape."""

    text: bytes  # the tail, a %b for each hole: `text % take(values)` fills it
    take: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]  # values in the marks' order; JSON text, unquoted
    identifier_system: str
    tokens: tuple[Token, ...]  # all but the identifier, which is the first


def template_of(rendered: Rendered, marks: Sequence[str]) -> Template:
    """The template of what a builder made from these marks: texts that JSON writes as they are, found nowhere else."""
    pattern = re.compile(b"|".join(re.escape(mark.encode()) for mark in marks))
    pieces = pattern.split(rendered.tail)
    holes = [marks.index(mark.decode()) for mark in pattern.findall(rendered.tail)]
    # Filled by %: one pass over the pieces, many times faster than building and writing the resource again.
    text = b"%b".join(piece.replace(b"%", b"%%") for piece in pieces)
    identifier, *tokens = rendered.tokens
    return Template(text, itemgetter(*holes), identifier[1], tuple(tokens))


def marked_moment(mark: str, dated_only: bool) -> Moment:
    """A moment whose text is a mark: a date only, or a date and time."""
    return Moment(mark, date.min, None if dated_only else datetime.min.replace(tzinfo=UTC))
