"""The way of writing that follows from what was found, and why each other way is refused."""

from collections.abc import Callable, Mapping

from fhir_pmp.ehr.capability import LADDER
from fhir_pmp.ehr.destinations import WriteStrategy
from fhir_pmp.ehr.probing.findings import Choice, Found, Honoured
from fhir_pmp.ehr.proof import HONOURED

NOT_PROBED = "it was not probed"
_RESTS_ON = {
    WriteStrategy.OUR_ID: "client_ids",
    WriteStrategy.CONDITIONAL_UPDATE: "conditional_update",
    WriteStrategy.CONDITIONAL_CREATE: "if_none_exist",
    WriteStrategy.SEARCH_THEN_CREATE: "search_lag",
}
_BECAUSE = {
    WriteStrategy.OUR_ID: "a repeat of a PUT under our id can double nothing, and If-Match keeps old from overwriting new",
    WriteStrategy.CONDITIONAL_UPDATE: "the server finds what an earlier attempt wrote by our identifier",
    WriteStrategy.CONDITIONAL_CREATE: "the server makes nothing where our identifier is there already",
    WriteStrategy.SEARCH_THEN_CREATE: "no condition can be relied on: we search, wait as long as the search lags, and "
    "only then create",
    WriteStrategy.NONE: "no way is safe from doubling a resource or from overwriting newer by older",
}


def choose(findings: Mapping[str, Found]) -> Choice:
    """The safest way that the findings bear out."""
    ways = {way: _refusal(findings, way) for way in LADDER}
    way = next((way for way in LADDER if ways[way] == HONOURED), WriteStrategy.NONE)
    return Choice(way, _BECAUSE[way], ways)


def _refusal(findings: Mapping[str, Found], way: WriteStrategy) -> str:
    # Every later write is a PUT with If-Match, whatever the first one was; where none is taken, none can do harm.
    creates = way in (WriteStrategy.CONDITIONAL_CREATE, WriteStrategy.SEARCH_THEN_CREATE)
    later = _is_partly if creates else _is_yes
    for name, enough in (("if_match", later), (_RESTS_ON[way], _SUFFICES.get(way, _is_yes))):
        found = findings.get(name)
        if found is None:
            return NOT_PROBED
        if not enough(found):
            return found.seen
    return HONOURED


def _is_yes(found: Found) -> bool:
    return found.honoured is Honoured.YES


def _is_partly(found: Found) -> bool:
    return found.honoured in (Honoured.YES, Honoured.PARTLY)


_SUFFICES: Mapping[WriteStrategy, Callable[[Found], bool]] = {WriteStrategy.SEARCH_THEN_CREATE: _is_partly}
