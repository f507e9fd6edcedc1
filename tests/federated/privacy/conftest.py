"""A scene whose approved configuration asks for noise, with a permit."""

from typing import Any

import pytest
from tests.federated.privacy.scenes import made_private


@pytest.fixture
def private(scene: Any) -> Any:
    return made_private(scene)
