"""Who said what of an account: the view over all versions, on literal rows; names are not in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.system

ALWAYS, MARCH, JUNE = date(1900, 1, 1), date(2026, 3, 1), date(2026, 6, 1)
NIGHT = [datetime(2026, 3, day, tzinfo=UTC) for day in range(1, 6)]


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url) as opened:
        yield opened
        opened.rollback()


def version(connection: psycopg.Connection, vendor: str, since: date, night: int, **said: Any) -> None:
    row = {
        "tenant_id": "acme", "vendor": vendor, "account_id": "A", "effective_from": since, "arrival_no": night,
        "line_no": 2, "record_no": 1, "in_performance": True, "file_id": f"f{night}", "published_at": NIGHT[night],
        **said,
    }  # fmt: skip
    names = ", ".join(row)
    connection.execute(
        f"INSERT INTO history.account_version ({names}) VALUES ({', '.join(['%s'] * len(row))})",
        list(row.values()),
    )


def told(connection: psycopg.Connection, attribute: str) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT source_vendor, value, valid_from, valid_to, known_from, known_to FROM marts.account_history"
        " WHERE attribute = %s ORDER BY source_vendor, valid_from, known_from",
        [attribute],
    ).fetchall()


def test_what_was_said_otherwise_later_is_kept_with_when_we_knew_it(connection: psycopg.Connection) -> None:
    version(connection, "bank", ALWAYS, 0, advisor_id="ann", base_currency="USD", account_name="A. Person")
    version(connection, "bank", ALWAYS, 1, advisor_id="bob", base_currency="USD", account_name="A. Person")
    version(connection, "bank", ALWAYS, 2, advisor_id="bob", base_currency="USD", account_name="Another")
    version(connection, "custodian", ALWAYS, 1, advisor_id="cy")
    assert told(connection, "advisor_id") == [
        ("bank", "ann", ALWAYS, None, NIGHT[0], NIGHT[1]),
        ("bank", "bob", ALWAYS, None, NIGHT[1], None),
        ("custodian", "cy", ALWAYS, None, NIGHT[1], None),
    ]
    assert told(connection, "base_currency") == [("bank", "USD", ALWAYS, None, NIGHT[0], None)]
    assert told(connection, "account_name") == [
        ("bank", "(name)", ALWAYS, None, NIGHT[0], NIGHT[2]),
        ("bank", "(name)", ALWAYS, None, NIGHT[2], None),
    ]


def test_each_value_holds_until_the_day_before_the_next(connection: psycopg.Connection) -> None:
    version(connection, "bank", ALWAYS, 0, model_id="growth", flow_timing="mid_day")
    version(connection, "bank", MARCH, 1, model_id="income", flow_timing="mid_day")
    version(connection, "bank", JUNE, 2, model_id="cash", flow_timing="mid_day")
    version(connection, "bank", JUNE, 3, model_id="income", flow_timing="mid_day")  # not cash: as before
    assert told(connection, "model_id") == [
        ("bank", "growth", ALWAYS, date(2026, 2, 28), NIGHT[0], None),
        ("bank", "income", MARCH, None, NIGHT[1], None),
        ("bank", "cash", JUNE, None, NIGHT[2], NIGHT[3]),
    ]
    assert told(connection, "flow_timing") == [("bank", "mid_day", ALWAYS, None, NIGHT[0], None)]


def test_an_attribute_that_nobody_gave_or_that_is_taken_back(connection: psycopg.Connection) -> None:
    version(connection, "bank", ALWAYS, 0, closed_on=MARCH)
    version(connection, "bank", ALWAYS, 1)
    assert told(connection, "closed_on") == [
        ("bank", "2026-03-01", ALWAYS, None, NIGHT[0], NIGHT[1]),
        ("bank", None, ALWAYS, None, NIGHT[1], None),
    ]
    assert told(connection, "household_id") == []
