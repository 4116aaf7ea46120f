"""The programme's platform at the door."""

import pytest

from tests.integration.web.programme_api.platform_client import Platform
from tests.integration.web.web_harness import WebHarness


@pytest.fixture
def platform(harness: WebHarness) -> Platform:
    return Platform(harness)
