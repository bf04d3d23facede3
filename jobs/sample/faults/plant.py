"""One fault of each kind, planted in files of its own, and the list of what must be found where.

Each is a small good delivery of an account that nothing else speaks of (FAULTED), spoiled in one place. That account
has no valuations, so no return comes of it, and every other account stays as it is. One vendor number a fault: what
is good in one file never meets what is good in another.
"""

from __future__ import annotations

from collections.abc import Iterator

from jobs.sample.deliveries import Deliveries
from jobs.sample.expected import write_rows
from jobs.sample.faults import deliveries, formats, lines
from jobs.sample.faults.fault import COLUMNS, FAULTED, NUMBERS, Fault


def plant(to: Deliveries) -> list[Fault]:
    """Write all faults beside the tenant's good files, and the list `_expected/planted_faults.csv`."""
    last = len(to.days) - 1
    accounts = f"account_id,account_name,base_currency\n{FAULTED},Planted faults,USD\n"
    to.write("canonical_accounts_planted.csv", 0, accounts, 1)
    numbers = [(vendor, number.format(n=n)) for vendor, number in NUMBERS.items() for n in range(60)]
    xref = "".join(f"{vendor},{number},{FAULTED},\n" for vendor, number in numbers)
    header = "vendor,vendor_account_number,account_id,from_date\n"
    to.write("canonical_account_xref_planted.csv", 0, header + xref, len(numbers))
    planted = list(faults(to))
    for fault in planted:
        if fault.where == "restated":
            path = to.root / "_expected" / "restated" / to.tenant / fault.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(fault.content)
        else:
            to.write(fault.path, last, fault.content, fault.rows)
    rows = ({"tenant": to.tenant} | vars(fault) for fault in planted)
    write_rows(to.root / "_expected" / "planted_faults.csv", COLUMNS, rows)
    return planted


def faults(to: Deliveries) -> Iterator[Fault]:
    """Every fault, of files dated after the sample's last day."""
    on = to.days[-1]
    yield from lines.custodian(on)
    yield from lines.canonical(on)
    yield from lines.brokerage(on)
    yield from formats.faults(on)
    yield from deliveries.listed(to)
    yield from deliveries.incomplete_or_unknown(on)
    yield from deliveries.already_known(to)
