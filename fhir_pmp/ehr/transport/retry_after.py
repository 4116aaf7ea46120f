"""Retry-After in both its forms, within limits; and the delays between attempts."""

import random
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 6 * 3600.0
"""Seconds. A server that asks for more is asked again after this."""
FIRST_DELAY = 2.0
LONGEST_DELAY = 15 * 60.0


def read_retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds to wait, at most LONGEST_WAIT; None for an absent or unreadable header."""
    if text is None:
        return None
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,18}", text):
        return min(float(text), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_WAIT)


def backoff_span(attempts: int) -> float:
    """Seconds: 2 after the first failed attempt, doubled after each other, 15 minutes at most."""
    return min(FIRST_DELAY * 2.0 ** min(max(attempts - 1, 0), 20), LONGEST_DELAY)


def retry_delay(attempts: int, after_seconds: float | None = None, rng: random.Random | None = None) -> float:
    """Seconds until the next attempt after `attempts` failures, with full jitter.

    The span doubles from 2 s to 15 min. A Retry-After is the minimum; a little is added, so that processes do not all return
    at once.
    """
    jitter = (rng or random).uniform(0.0, backoff_span(attempts))
    if after_seconds is None:
        return jitter
    return max(jitter, after_seconds + min(jitter, FIRST_DELAY))
