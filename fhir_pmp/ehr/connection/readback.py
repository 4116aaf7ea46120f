"""Reads back one written resource of each type an hour, and reports changed elements."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Lock
from typing import Any

import structlog

from fhir_pmp.ehr.config.content import read_content
from fhir_pmp.ehr.config.destinations import Destination
from fhir_pmp.ehr.config.work_item_kinds import CHANGED_BY_DESTINATION
from fhir_pmp.ehr.exchange.reads import body_of, version_id_of
from fhir_pmp.ehr.exchange.writes import AcknowledgedWrite, classify_response, read_etag
from fhir_pmp.ehr.transport.client import EhrClient
from fhir_pmp.ehr.transport.response_class import HttpResponseClass, NotReadable, Untrusted, WireFailure
from fhir_pmp.store import Store

READ_BACK_EVERY = timedelta(hours=1)
MOST_ELEMENTS = 20

_WHAT = (
    "The destination keeps something else than it was sent, without refusing it. Compare the elements named, and ask "
    "its team; what clinicians read there may say less than what was measured."
)


class ReadBackMonitor:
    """Which types of one destination were read back when. Safe to ask from any thread."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._read_at: dict[str, datetime] = {}
        self._lock = Lock()

    def check(
        self,
        store: Store,
        destination: Destination,
        client: EhrClient,
        acknowledged: Sequence[AcknowledgedWrite],
    ) -> None:
        """Reads back the first resource of each type whose hour has passed.

        Opens a work item where the resource differs from what was sent.
        """
        for one in acknowledged:
            if self._is_due(one.delivery.type):
                elements = _read_back(client, one, self._clock())
                if elements is not None:
                    _update_work_item(store, destination, one.delivery.type, elements, self._clock())

    def _is_due(self, kind: str) -> bool:
        now = self._clock()
        with self._lock:
            last = self._read_at.get(kind)
            if last is not None and timedelta(0) <= now - last < READ_BACK_EVERY:
                return False
            self._read_at[kind] = now
            return True


def differences(sent: object, kept: object, path: str = "") -> Iterator[str]:
    """Returns the names of the elements that differ from what was sent, never their values."""
    if isinstance(sent, dict) and isinstance(kept, dict):
        for name in sorted(sent.keys() | kept.keys()):
            inner = f"{path}.{name}".lstrip(".")
            if name not in kept:
                yield f"{inner} is gone"
            elif name not in sent:
                yield f"{inner} was added"
            else:
                yield from differences(sent[name], kept[name], inner)
    elif isinstance(sent, list) and isinstance(kept, list) and len(sent) == len(kept):
        for one, other in zip(sent, kept, strict=True):
            yield from differences(one, other, path)
    elif not _is_same(sent, kept):
        yield f"{path} is another"


def _is_same(sent: object, kept: object) -> bool:
    if isinstance(sent, Decimal) and isinstance(kept, Decimal):
        return sent.as_tuple() == kept.as_tuple()
    return type(sent) is type(kept) and sent == kept


def _read_back(client: EhrClient, one: AcknowledgedWrite, now: datetime) -> list[str] | None:
    """What is not as it was sent; None where that cannot be said: it is a matter of an hour, not of this delivery."""
    try:
        answer = client.ask("GET", one.remote_reference, headers={"Cache-Control": "no-cache"})
        if classify_response(answer, now).response_class is not HttpResponseClass.DONE:
            return None
        kept = body_of(answer)
    except (WireFailure, Untrusted, NotReadable):
        return None
    if (read_etag(answer.headers.get("ETag")) or version_id_of(kept)) != one.etag:
        return None  # somebody wrote there since
    return list(dict.fromkeys(differences(read_content(one.content), _without_meta(kept))))


def _without_meta(resource: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "meta"}


def _update_work_item(
    store: Store, destination: Destination, kind: str, elements: Sequence[str], now: datetime
) -> None:
    about = f"destination/{destination.id}/type/{kind}"
    with store.read() as uow:
        known = uow.work_items.find_open(CHANGED_BY_DESTINATION, about)
    if not elements and known is None:
        return
    with store.begin_without_publishing() as uow:
        if not elements:
            uow.work_items.close_about(
                CHANGED_BY_DESTINATION, about, by="sync", how="it is kept as it was sent", now=now
            )
            return
        details = {"destination": destination.id, "type": kind, "elements": list(elements)[:MOST_ELEMENTS]}
        uow.work_items.open(
            CHANGED_BY_DESTINATION, about=about, role="administrator", what=_WHAT, now=now, details=details
        )
    structlog.get_logger().warning(
        "drifts", destination=destination.id, resource_type=kind, count=len(elements)
    )
