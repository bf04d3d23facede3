"""Which date ranges a load makes: months clipped to its dates, never across a range that exists."""

from datetime import date

from jobs.publish.partitions import Range, new_ranges


def day(text: str) -> date:
    return date.fromisoformat(text)


def ranges(*pairs: tuple[str, str]) -> list[Range]:
    return [Range(day(first), day(end)) for first, end in pairs]


def test_a_night_is_a_range_of_one_day() -> None:
    assert new_ranges({day("2026-01-05")}, []) == ranges(("2026-01-05", "2026-01-06"))


def test_a_history_is_cut_at_month_ends_and_clipped_to_its_dates() -> None:
    dates = {day("2025-11-10"), day("2025-11-28"), day("2025-12-01"), day("2026-01-02")}
    assert new_ranges(dates, []) == ranges(
        ("2025-11-10", "2025-11-29"), ("2025-12-01", "2025-12-02"), ("2026-01-02", "2026-01-03")
    )


def test_dates_of_existing_ranges_make_none_and_ranges_between_split() -> None:
    existing = ranges(("2026-01-05", "2026-01-08"))
    dates = {day(f"2026-01-{number:02}") for number in (2, 5, 6, 8, 9)}
    assert new_ranges(dates, existing) == ranges(("2026-01-02", "2026-01-03"), ("2026-01-08", "2026-01-10"))


def test_a_very_long_history_goes_into_years() -> None:
    dates = {date(year, month, 1) for year in range(1990, 2026) for month in range(1, 13)}
    found = new_ranges(dates, [])
    assert len(found) == 36
    assert found[0] == Range(date(1990, 1, 1), date(1990, 12, 2))
