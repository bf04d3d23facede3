"""Mistakes that users of other systems have reported in public: told, worked by hand, and run with the other cases."""

from __future__ import annotations

from tests.golden.cases import GOLDEN, cases
from tests.golden.conftest import of_accounts

FAMILY = "known_wrong_answers"
# Run by the test of the groups; all others by the test of the accounts.
OF_GROUPS = {
    "household_joined_on_different_dates",
    "transfer_between_own_accounts",
    "winning_account_lowers_the_household",
}


def test_every_case_is_told_and_run() -> None:
    """Each folder says who reported what; none is of a kind that nothing runs."""
    every = {case.name: case for case in cases(FAMILY)}
    assert len(every) >= 15
    assert set(every) - {case.name for case in of_accounts()} == OF_GROUPS
    assert {case.kind for case in every.values()} == {"daily", "periods", "risk", "groups"}
    texts = {name: (GOLDEN / FAMILY / name / "README.md").read_text(encoding="utf-8") for name in every}
    assert [name for name, text in texts.items() if "Reported: " not in text or "**By hand.**" not in text] == []
