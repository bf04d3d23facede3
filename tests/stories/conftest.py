"""Stories tell what becomes of a few rows: their plans are interpreted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import compile_again, interpret


@pytest.fixture(scope="module", autouse=True)
def _interpreted(request: pytest.FixtureRequest) -> Iterator[None]:
    """In modules that use Spark; what follows is compiled again."""
    of_module = [item for item in request.session.items if getattr(item, "module", None) is request.module]
    if not any("spark" in getattr(item, "fixturenames", ()) for item in of_module):
        yield
        return
    spark = request.getfixturevalue("spark")
    interpret(spark)
    yield
    compile_again(spark)
