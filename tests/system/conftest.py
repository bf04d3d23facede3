"""Nights as they are for real: their plans are compiled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import compiled


@pytest.fixture(autouse=True)
def _compiled(request: pytest.FixtureRequest) -> Iterator[None]:
    """In tests that use the session of the test run; Airflow's tasks have their own."""
    if "spark" not in request.fixturenames:
        yield
        return
    with compiled(request.getfixturevalue("spark")):
        yield
