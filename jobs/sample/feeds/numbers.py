"""What each vendor calls the same account, and the cash account that a bank keeps for it."""

from __future__ import annotations

from collections.abc import Callable

# By vendor, of the account's number from 1. The brokerage has a numbering of its own (people.brokerage_number).
NUMBERS: dict[str, Callable[[int], str]] = {
    "hst": lambda n: f"A{100_000 + 23 * n}",
    "gcus": lambda n: f"HTB{40_000 + 137 * n}{n % 10}1",
    "flex": lambda n: f"U{7_000_000 + n}",
    "apx": lambda n: str(20 + n),
    "adviser": lambda n: str(12_345_670 + n),
    "ofx": lambda n: f"55-{n:04d}",
    "activity": lambda n: f"U{9_000_000 + n}",
    "warehouse": lambda n: str(7_000 + n),
}
# A bank's statement tells the cash alone: mistaken for the account it would be a wrong value that looks right.
CASH_NUMBERS: dict[str, Callable[[int], str]] = {
    "mt940": lambda n: f"70050000/{1_234_000 + n}",
    "camt053": lambda n: iban("DE", f"{10_010_010:08d}{6_820_100 + n:010d}"),
}


def cash_account(account_id: str) -> str:
    """The firm's name of the cash account beside an account."""
    return f"{account_id}-CASH"


def iban(country: str, bban: str) -> str:
    """An invented IBAN with its check digits."""
    digits = "".join(str(int(character, 36)) for character in bban + country + "00")
    return f"{country}{98 - int(digits) % 97:02d}{bban}"
