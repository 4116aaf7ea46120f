"""The programme's platform at the door."""

import pytest

from tests.integration.web.house import House
from tests.integration.web.programme_api.platform import Platform


@pytest.fixture
def platform(house: House) -> Platform:
    return Platform(house)
