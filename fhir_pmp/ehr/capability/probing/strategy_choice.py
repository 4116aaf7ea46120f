"""Chooses a write strategy from the findings, and gives the reason against each other one."""

from collections.abc import Callable, Mapping

from fhir_pmp.ehr.capability.probing.probe_results import Choice, Honoured, ProbeResult
from fhir_pmp.ehr.capability.server_capability import STRATEGIES_SAFEST_FIRST
from fhir_pmp.ehr.capability.verified_capability import HONOURED
from fhir_pmp.ehr.config.destinations import WriteStrategy

NOT_PROBED = "it was not probed"
_PROBE_OF_STRATEGY = {
    WriteStrategy.OUR_ID: "client_ids",
    WriteStrategy.CONDITIONAL_UPDATE: "conditional_update",
    WriteStrategy.CONDITIONAL_CREATE: "if_none_exist",
    WriteStrategy.SEARCH_THEN_CREATE: "search_lag",
}
_REASONS = {
    WriteStrategy.OUR_ID: "a repeat of a PUT under our id can double nothing, and If-Match keeps old from overwriting new",
    WriteStrategy.CONDITIONAL_UPDATE: "the server finds what an earlier attempt wrote by our identifier",
    WriteStrategy.CONDITIONAL_CREATE: "the server makes nothing where our identifier is there already",
    WriteStrategy.SEARCH_THEN_CREATE: "no condition can be relied on: we search, wait as long as the search lags, and "
    "only then create",
    WriteStrategy.NONE: "no way is safe from doubling a resource or from overwriting newer by older",
}


def choose_strategy(findings: Mapping[str, ProbeResult]) -> Choice:
    """The safest way that the findings bear out."""
    strategies = {strategy: _refusal(findings, strategy) for strategy in STRATEGIES_SAFEST_FIRST}
    strategy = next(
        (strategy for strategy in STRATEGIES_SAFEST_FIRST if strategies[strategy] == HONOURED),
        WriteStrategy.NONE,
    )
    return Choice(strategy, _REASONS[strategy], strategies)


def _refusal(findings: Mapping[str, ProbeResult], strategy: WriteStrategy) -> str:
    # Every later write is a PUT with If-Match, whatever the first one was; where none is taken, none can do harm.
    creates = strategy in (WriteStrategy.CONDITIONAL_CREATE, WriteStrategy.SEARCH_THEN_CREATE)
    later = _is_partly if creates else _is_yes
    for name, enough in (
        ("if_match", later),
        (_PROBE_OF_STRATEGY[strategy], _SUFFICIENT.get(strategy, _is_yes)),
    ):
        result = findings.get(name)
        if result is None:
            return NOT_PROBED
        if not enough(result):
            return result.seen
    return HONOURED


def _is_yes(result: ProbeResult) -> bool:
    return result.honoured is Honoured.YES


def _is_partly(result: ProbeResult) -> bool:
    return result.honoured in (Honoured.YES, Honoured.PARTLY)


_SUFFICIENT: Mapping[WriteStrategy, Callable[[ProbeResult], bool]] = {
    WriteStrategy.SEARCH_THEN_CREATE: _is_partly
}
