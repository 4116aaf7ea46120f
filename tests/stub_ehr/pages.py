"""Search results: kept for a minute, cut into pages that are followed by a link."""

import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.stub_ehr.refusals import Problem

Resource = dict[str, Any]
DEFAULT_COUNT = 20


@dataclass
class Pages:
    """Stored searches. The same search within `cache_seconds` gives the stored result, new resources or not."""

    cache_seconds: float
    _results: dict[str, list[Resource]] = field(default_factory=dict)
    _recent: dict[str, tuple[float, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def recent(self, search: str) -> str | None:
        """The token of a stored result of this search, if there is one that is young enough."""
        with self._lock:
            found = self._recent.get(search)
        return found[1] if found and time.monotonic() - found[0] < self.cache_seconds else None

    def keep(self, search: str, result: list[Resource]) -> str:
        """Stores a result; its token opens the pages."""
        token = secrets.token_hex(16)
        with self._lock:
            self._results[token] = result
            self._recent[search] = (time.monotonic(), token)
            for old in list(self._results)[:-1000]:
                del self._results[old]
        return token

    def page(self, base: str, token: str, offset: int, count: int, kind: str = "searchset") -> Resource:
        """One page, with the link to the next. Raises Problem (410) for a result that went away."""
        with self._lock:
            result = self._results.get(token)
        if result is None:
            raise Problem(410, "HAPI-0417: Search ID does not exist and may have expired", code="deleted")
        entries = result[offset : offset + count]
        links = [{"relation": "self", "url": self._link(base, token, offset, count, kind)}]
        if offset + count < len(result):
            links.append({"relation": "next", "url": self._link(base, token, offset + count, count, kind)})
        bundle: Resource = {"resourceType": "Bundle", "id": token, "type": kind}
        if kind == "searchset":
            bundle["total"] = len(result)
        return bundle | {"link": links, "entry": entries}

    @staticmethod
    def _link(base: str, token: str, offset: int, count: int, kind: str) -> str:
        asked = {"_getpages": token, "_getpagesoffset": offset, "_count": count, "_bundletype": kind}
        return f"{base}?{urlencode(asked)}"
