"""How the report says things: figures for people, what needs a person, and what must not stand there in clear."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from jobs.platform import schemas
from jobs.platform.logs import mask_numbers
from jobs.report.largest import VENDORS_NUMBER
from jobs.report.pictures import BREAK_WORDS
from jobs.report.read import Night, Row

MASK = "•••"


@dataclass(frozen=True)
class Task:
    """One thing that a person should look at: how bad, in words, and the section that shows it."""

    severity: str  # bad or warn
    text: str
    anchor: str


@dataclass(frozen=True)
class Verdict:
    """The night in a word and a sentence."""

    severity: str  # good, warn or bad
    word: str
    text: str


def tasks(night: Night) -> list[Task]:
    """What needs a person, the most urgent first."""
    found = [*_failures(night), *_unreadable(night), *_missing(night), *_files(night)]
    if night.held.total:
        found.append(Task("bad", f"{_count(night.accounts_held, 'account')} held back from publication", "held"))
    failed_rules = night.rules_by_severity.get("fail", 0)
    if failed_rules:
        found.append(Task("bad", f"{_count(failed_rules, 'rule')} of severity fail not met", "rules"))
    if night.breaks.total:
        tonight = sum(row["tonight"] for row in night.breaks_by_type)
        text = f"{_count(night.breaks.total, 'open break')}, {tonight:,} of them new tonight"
        again = sum(row["breaks"] for row in night.changes_by_kind if row["kind"] == "opened again")
        text += f" and {again:,} open again" if again else ""
        worst = night.breaks.rows[0]
        if size := _size_of(worst):
            kind = BREAK_WORDS.get(worst["type"], worst["type"])
            text += f"; the largest is {size} on the {kind} of {account(worst)}"
        found.append(Task("warn", text, "breaks"))
    if night.quarantined.total:
        waiting = sum(row["waiting"] for row in night.quarantine_reasons.rows)
        text = f"{_count(night.quarantined.total, 'row')} in quarantine"
        found.append(Task("warn", text + (f", {waiting:,} waiting for their account" if waiting else ""), "quarantine"))
    others = night.rules.total - failed_rules
    if others:
        found.append(Task("warn", f"{_count(others, 'quality rule')} not met", "rules"))
    return found


def verdict(night: Night, to_do: list[Task]) -> Verdict:
    """Whether the night is published, and whether somebody must act."""
    run = night.run
    if run is not None and run["status"] == "failed":
        return Verdict("bad", "Failed", "The newest run of this date did not end well.")
    if night.failures:
        names = ", ".join(dict.fromkeys(row["run_id"] for row in night.failures))
        text = f"{names} did not end well, and no later run of the same tenants and vendors, or of more, has published."
        return Verdict("bad", "Failed", text)
    if not night.status:
        text = (
            "A run is under way." if run is not None and run["status"] == "running" else "No run published this date."
        )
        return Verdict("bad", "Not published", text)
    published = f"{_count(night.accounts_published, 'account')} of {_count(len(_tenants(night)), 'tenant')} published"
    if any(task.severity == "bad" for task in to_do):
        return Verdict("bad", "Needs you now", f"{published}; {_count(len(to_do), 'matter')} to look at.")
    if to_do:
        return Verdict("warn", "Published with remarks", f"{published}; {_count(len(to_do), 'matter')} to look at.")
    return Verdict("good", "All clear", f"{published}; nothing needs a person.")


def _failures(night: Night) -> Iterable[Task]:
    for row in night.steps:
        if row["status"] == "failed":
            yield Task("bad", f"Step {row['step']} failed: {masked(row['error'] or 'no reason given')}", "run")
    for row in night.failures:
        if night.run is None or row["run_id"] != night.run["run_id"]:
            what = f"Step {row['step']} of run {row['run_id']}" if row["step"] else f"Run {row['run_id']}"
            yield Task("bad", f"{what} failed: {masked(row['error'] or 'it ended without a word')}", "run")


def _unreadable(night: Night) -> Iterable[Task]:
    sources = [f"{row['source']} of {row['tenant_id']}" for row in night.status if not row["may_read"]]
    if sources:
        which = ", ".join(sources[:5]) + (f" and {len(sources) - 5:,} more" if len(sources) > 5 else "")
        yield Task("bad", f"{_count(len(sources), 'source')} may not be read by other jobs: {which}", "sources")


def _missing(night: Night) -> Iterable[Task]:
    for row in night.overdue:
        often = f"{row['came']} of the last {row['nights']} nights"
        yield Task("bad", f"{row['tenant_id']}: {row['feed']} did not come; it did on {often}", "sources")


def _files(night: Night) -> Iterable[Task]:
    for status, words in FILE_WORDS.items():
        of_status = [row for row in night.files_by_source if row["status"] == status]
        if of_status:
            files = sum(row["files"] for row in of_status)
            severity = "warn" if status == "waiting" else "bad"
            which = f": {masked(of_status[0]['path'].rsplit('/', 1)[-1])}" if files == 1 else ""
            yield Task(severity, f"{_count(files, 'file')} {words}{which}", "files")


def _size_of(row: Row) -> str:
    """The money that differs, else the basis points; empty of a break that has no size."""
    if row["difference"] is not None and row["currency"]:
        return f"{money(row['difference'])} {row['currency']}"
    return "" if row["difference_bps"] is None else bps(row["difference_bps"])


FILE_WORDS = {
    "refused": "refused", "withheld": "withheld by the gate", "unrecognised": "not recognised",
    "waiting": "not complete yet",
}  # fmt: skip


def _tenants(night: Night) -> set[str]:
    return {row["tenant_id"] for row in night.status}


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# Figures


def number(value: Any) -> str:
    """1,234; a dash for NULL."""
    return "–" if value is None else f"{value:,.0f}"


def money(value: Any) -> str:
    return "–" if value is None else f"{value:,.2f}"


def percent(value: Any) -> str:
    """A fraction as percent with four decimals: 0.01 of a basis point."""
    return "–" if value is None else f"{100 * value:.4f} %"


def share(value: Any) -> str:
    """A fraction as percent with one decimal."""
    return "–" if value is None else f"{100 * value:.1f} %"


def bps(value: Any) -> str:
    return "–" if value is None else f"{value:+,.1f} bp"


def figure(value: Any, kind: str) -> str:
    """A break's figure: an amount or a return, by its type."""
    return percent(value) if kind.startswith("twrr") else money(value)


def duration(seconds: Any) -> str:
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"


def size(value: Any) -> str:
    if value is None:
        return "–"
    for limit, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if value >= limit:
            return f"{value / limit:,.1f} {unit}"
    return f"{value:,.0f} B"


def long_date(day: date) -> str:
    """Tuesday, 31 March 2026, in English whatever the machine's locale."""
    return f"{WEEKDAYS[day.weekday()]}, {day.day} {MONTHS[day.month - 1]} {day.year}"


def moment(at: datetime | None) -> str:
    return "–" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


# What must not stand there in clear


def masked(text: str | None) -> str:
    """A text with long numbers (accounts of vendors) shortened to their last three digits; dates stay."""
    return mask_numbers(text or "", shortened)


def shortened(number: str) -> str:
    """The last three characters of a vendor's account number; of a short one none."""
    return MASK + (number[-3:] if len(number) > 3 else "")


def account(row: Row) -> str:
    """A break's account: the firm's own identifier, or a vendor's number, shortened."""
    return shortened(row["account_id"]) if VENDORS_NUMBER.get(row["type"]) == "account_id" else row["account_id"]


def item(row: Row) -> str:
    """What within the account differs; a vendor's number is shortened."""
    text = row["item"] or ""
    return shortened(text) if text and VENDORS_NUMBER.get(row["type"]) == "item" else masked(text)


def reasons(failed: list[Row] | str | None, target: str | None) -> list[str]:
    """Why a record is in quarantine, one line per rule, without what the schema marks as personal."""
    rules = json.loads(failed) if isinstance(failed, str) else failed or []
    private = _private_columns(target)
    lines = []
    for rule in rules:
        column, value, wanted = rule.get("column"), rule.get("value"), rule.get("expected")
        shown = MASK if column in private and value else masked(value)
        line = str(rule.get("rule", "")).replace("_", " ")
        line += f": {column}" if column else ""
        line += f" is “{_short(shown)}”" if value not in {None, ""} else ""
        lines.append(line + (f", expected {masked(wanted)}" if wanted else ""))
    return lines


def _private_columns(target: str | None) -> set[str]:
    """Personal columns of the canonical table; where the table is unknown, all that any table marks."""
    tables = schemas.tables("silver")
    chosen = [table for table in tables if table.table == target] or tables
    return {column.name for table in chosen for column in table.columns if column.pii} | {"account_name"}


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
