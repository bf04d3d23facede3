"""Workbooks (field guide S7): an adviser platform's quarterly sheet of values and returns, a sheet a currency."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from jobs.sample.deliveries import Deliveries
from jobs.sample.feeds.chronicle import Chronicle
from jobs.sample.feeds.numbers import NUMBERS

TITLES = (
    "Account", "Inception", "Beginning Value", "Net Flows", "Fees", "Ending Value", "MTD TWR", "QTD TWR", "YTD TWR",
    "As Of",
)  # fmt: skip
Rows = list[dict[str, Any]]


def write(told: Chronicle, to: Deliveries, expected: Rows) -> None:
    """A workbook a quarter, as of its last day in the sample; `expected`: the accounts' daily rows by the reference."""
    for days in told.quarters():
        first, last = told.days[days[0]], told.days[days[-1]]
        content, rows = workbook(told, expected, first, last)
        to.write(f"adviser/PerfSummary_{last.year}-Q{(last.month + 2) // 3}.xlsx", days[-1], content, rows)


def workbook(told: Chronicle, expected: Rows, first: date, last: date) -> tuple[bytes, int]:
    """(the file, its rows of accounts): a cover, returns by currency, flows, and a hidden sheet."""
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = "Read Me"
    book.active.append([f"Performance summary as of {last:%d %B %Y}. Returns are net of fees."])
    count = 0
    flows = book.create_sheet("Flows")
    flows.append(["Account", "Date", "Type", "Amount", "In kind?"])
    for row in range(len(told.people)):
        for entry in told.of(row, range(len(told.days))):
            if entry.is_flow and first <= told.days[entry.day] <= last:
                kind, amount = entry.kind.replace("_", " ").title(), entry.amount / 100
                flows.append([_number(told, row), told.days[entry.day], kind, amount, "Y" if entry.is_in_kind else ""])
    for currency in sorted({told.currency(row) for row in range(len(told.people))}, reverse=True):
        sheet = book.create_sheet(f"Returns {currency}")
        for cells in ([f"Performance in {currency}"], [], list(TITLES)):
            sheet.append(cells)
        rows = [row for row in range(len(told.people)) if told.currency(row) == currency]
        lines = [line for row in rows if (line := _line(told, row, expected, first, last))]
        for line in lines:
            sheet.append(line)
            for cell in sheet[sheet.max_row][6:9]:
                cell.number_format = "0.00%"
        totals = [_sum(lines, place) for place in range(2, 6)]
        sheet.append(["Total", None, *totals])
        sheet.append(["* Time-weighted, net of fees. Past performance does not indicate future results."])
        count += len(lines)
    hidden = book.create_sheet("Lookup")
    hidden.sheet_state = "hidden"
    hidden.append(["Code", "Meaning"])
    content = io.BytesIO()
    book.save(content)
    return undated(content.getvalue()), count


def _line(told: Chronicle, row: int, expected: Rows, first: date, last: date) -> list[Any] | None:
    account = told.people.account_id(row)
    own = [one for one in expected if one["account_id"] == account and first <= one["as_of_date"] <= last]
    if not own or own[-1]["as_of_date"] != last:
        return None
    now, before = own[-1], own[0]["begin_market_value"] or Decimal(0)
    flows, fees = (sum((one[name] for one in own), Decimal(0)) for name in ("net_flow", "fees"))
    figures = [float(round(value, 2)) for value in (before, flows, fees, now["end_market_value"])]
    returns = [now[f"twrr_{period}"] for period in ("mtd", "qtd", "ytd")]
    return [_number(told, row), now["inception_date"], *figures, *returns, last]


def _number(told: Chronicle, row: int) -> int:
    """Account numbers are numbers here, as spreadsheets make them."""
    return int(NUMBERS["adviser"](int(told.people.number[row])))


def _sum(lines: list[list[Any]], place: int) -> float:
    return float(sum((Decimal(str(line[place])) for line in lines), Decimal(0)))


def undated(content: bytes) -> bytes:
    """The same workbook without the moment in which it was written: the same arguments give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for info in source.infolist():
            data = source.read(info)
            if info.filename == "docProps/core.xml":
                data = re.sub(rb"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", b"2026-01-01T00:00:00Z", data)
            stamped = zipfile.ZipInfo(info.filename, datetime(2026, 1, 1).timetuple()[:6])  # noqa: DTZ001 zips have no zone
            stamped.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(stamped, data)
    return out.getvalue()
