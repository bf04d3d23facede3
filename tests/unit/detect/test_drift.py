"""Titles that change from file to file: what is survived is said all the same."""

from __future__ import annotations

from datetime import date

from jobs.detect.drift import in_force, title_changes
from jobs.platform.mapping import InForce, Mapping

MAPPING = Mapping.model_validate(
    {
        "vendor": "v", "feed": "f", "meaning": "", "delivery": "upsert", "fingerprint": {"required": ["Date"]},
        "targets": [{"table": "price", "columns": {
            "security_id": {"title": ["ISIN", "Security Id"]}, "as_of_date": {"title": "Date"},
            "price": {"title": "Close"}, "currency": {"constant": "USD"},
        }}],
    }
)  # fmt: skip


def test_new_gone_renamed_and_moved_titles_are_told_apart() -> None:
    before = ["Date", "ISIN", "Close", "Note"]
    assert title_changes(["date ", "Security ID", "Close", "Note", ""], before, MAPPING) == [
        "'isin' is now called 'security id'"
    ]
    assert title_changes(["Date", "Close", "ISIN", "Note"], before, MAPPING) == ["the order is another"]
    assert title_changes(["Date", "ISIN", "Close", "Source"], before, MAPPING) == ["'source' is new", "'note' is gone"]
    assert title_changes(before, before, MAPPING) == []


def test_a_title_that_holds_for_a_time_is_read_on_its_dates_alone() -> None:
    dated = MAPPING.model_copy(update={"title_dates": {"Close": InForce(until=date(2026, 3, 31))}})
    assert in_force(["Date", "close"], dated, date(2026, 3, 31)) == ["Date", "close"]
    assert in_force(["Date", "close"], dated, date(2026, 4, 1)) == ["Date", "close (not in force)"]
    assert in_force(["Date", "close"], dated, None) == ["Date", "close"]
