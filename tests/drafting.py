"""How good drafts are: a file's draft, made without its mapping, against the mapping that is shipped for it.

    python -m tests.drafting        prints the shares over the project's own samples

A column of the shipped mapping is right (the draft takes it from the same place), wrong (from another) or open (a
TODO, or left out). `extra` are columns that the draft decides and the mapping does not have. Words of a code map are
counted the same way. Targets whose records do not come in the sample are not counted.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from jobs.platform.mapping import Mapping, Target, load_mappings, normalise_title
from jobs.platform.mapping_columns import CodeRule, ColumnSource
from jobs.sample.write import write_sample
from jobs.vendor import text
from jobs.vendor.draft import Draft, draft
from jobs.vendor.drafted import Drafted
from tests.stories import test_formats as small

DAILY = """Date, USD, JPY, CZK, DKK, GBP, CHF, \n06 February 2026, 1.1794, 185.27, 24.24, 7.4672, 0.8679, 0.9175, \n"""
COUNTED = ("right", "wrong", "open")


@dataclass
class Measure:
    """Counts of one feed's columns and words, with the names of what is wrong or extra."""

    feed: str
    columns: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    layout: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)


def sample_files(folder: Path) -> dict[str, Path]:
    """A file of each feed that drafts are measured by, by feed; but OFX, MT940, camt.053: standards, copied instead."""
    made = folder / "sample"
    write_sample(12, date(2026, 3, 2), date(2026, 3, 31), 1, made, daily_files_from=date(2026, 3, 30))
    files: dict[str, Path] = {}
    tenant = made / "northwind_wealth"
    for feed in load_mappings():
        if feed.startswith("canonical_"):
            files[feed] = max(tenant.glob(f"{feed}_*.csv"), key=lambda path: path.stat().st_size)
    files["brokerage_transactions"] = max(tenant.glob("*_Transactions_*.csv"), key=lambda path: path.stat().st_size)
    files["brokerage_positions"] = max(tenant.glob("All-Accounts-Positions-*"), key=lambda path: path.stat().st_size)
    files["ecb_fx_history"] = next((tenant / "ecb").glob("eurofxref-hist*"))
    small_ones: dict[str, tuple[str, str | bytes]] = {
        "ecb_fx_daily": ("eurofxref.csv", DAILY),
        "hst_transactions": ("HST_TXN_20260303.psv", small.HST),
        "apx_export": ("apx_transactions_p0001.jsonl", "".join(json.dumps(one) + "\n" for one in small.APX)),
        "flex_statement": ("flex.xml", small.FLEX),
        "gcus_positions": ("GCUS.txt", small.gcus()),
        "adviser_returns": ("PerfSummary.xlsx", small.workbook()),
        "warehouse_valuations": ("part-000.parquet", small.parquet()),
    }  # fmt: skip
    for feed, (name, content) in small_ones.items():
        files[feed] = folder / name
        files[feed].write_bytes(content.encode() if isinstance(content, str) else content)
    return files


def measured(path: Path, mapping: Mapping) -> Measure:
    """The draft of a file against its mapping."""
    samples = list(text.samples(path))
    sample = next((one for one in samples if re.fullmatch(mapping.reader.sheet or ".*", one.member)), samples[0])
    made = draft(sample, mapping.vendor, mapping.feed)
    result = Measure(mapping.feed)
    _layout(made, mapping, result)
    for target in mapping.targets:
        if not _is_there(target, mapping, sample):
            continue
        columns = {name: source for name, source in target.columns.items() if not _goes_on(source, mapping)}
        part = _counterpart(target, made, mapping)
        if part is None:
            result.columns["open"] += len(columns)
            continue
        for name, source in columns.items():
            verdict = _column(source, name, part, made, mapping, target)
            result.columns[verdict] += 1
            if verdict == "wrong":
                result.wrong.append(f"{mapping.feed}: {target.table}.{name}: {part.columns[name].value}")
        more = (
            set(part.columns)
            - set(target.columns)
            - ({target.unpivot.name, target.unpivot.value} if target.unpivot else set())
        )
        decided = [
            name for name in more if _column(ColumnSource(title=""), name, part, made, mapping, target) != "open"
        ]
        result.extra += [f"{mapping.feed}: {target.table}.{name}" for name in decided]
        if target.unpivot:
            same = bool(part.unpivot) and part.unpivot["titles"] == target.unpivot.titles
            result.columns["right" if same else "open"] += 2
    _words(made, mapping, result)
    return result


def _is_there(target: Target, mapping: Mapping, sample: text.Sample) -> bool:
    rule = next((one for one in mapping.lines if one.kind == target.lines), None)
    element = rule.fields.get("element") if rule else None
    return element is None or bool(re.search(rf"<(?:{element})\b", "\n".join(sample.lines)))


def _layout(made: Draft, mapping: Mapping, result: Measure) -> None:
    reader = made.layout.reader
    pairs = [("format", mapping.format, made.head["format"].value), ("dates", mapping.dates, None)]
    if mapping.format == "delimited":
        pairs += [(name, getattr(mapping.reader, name), reader[name].value) for name in ("delimiter", "header")]
    if any(column.date is None and column.title for target in mapping.targets for column in target.columns.values()):
        read = any(part.numbers() for part in made.targets)
        plain = "plain" if read else None  # what reads no number says nothing of their style
        pairs.append(("numbers", mapping.numbers, made.head["numbers"].value if "numbers" in made.head else plain))
    if "dates" in made.head:
        pairs[1] = ("dates", mapping.dates, made.head["dates"].value)
    for name, shipped, drafted in pairs:
        if drafted is None or str(drafted).startswith("TODO"):
            result.layout["open"] += 1
        elif (
            shipped == drafted
            or (isinstance(shipped, list) and drafted in shipped)
            or (name == "numbers" and drafted == "plain" and shipped in {"us", "european"})
        ):
            result.layout["right"] += 1  # a style that takes less than the shipped one reads no number otherwise
        else:
            own = {column.date for target in mapping.targets for column in target.columns.values()}
            right = name == "dates" and drafted in own
            result.layout["right" if right else "wrong"] += 1
            if not right:
                result.wrong.append(f"{mapping.feed}: {name}: {drafted}, shipped {shipped}")


def _counterpart(target: Target, made: Draft, mapping: Mapping) -> Drafted | None:
    """The drafted target of the same table that agrees in most columns; of a kind of its own only that kind."""
    parts = [
        one for one in made.targets if one.table == target.table and (one.kind == "cash") == (target.lines == "cash")
    ]
    if not parts:
        return None
    agreed = [
        sum(_column(s, n, one, made, mapping, target) == "right" for n, s in target.columns.items()) for one in parts
    ]
    best = max(range(len(parts)), key=agreed.__getitem__)
    return parts[best] if agreed[best] else None


def _goes_on(source: ColumnSource, mapping: Mapping) -> bool:
    """Whether it stands on a second line of a record: the sample files have none."""
    fields = mapping.reader.fields
    second = {title for kind in mapping.reader.continues for title in fields.get(kind, {})}
    return bool(source.titles) and set(source.titles) <= second


def _column(  # noqa: PLR0917
    source: ColumnSource, name: str, part: Drafted, made: Draft, mapping: Mapping, target: Target
) -> str:
    choice = part.columns.get(name)
    if choice is None or choice.is_open or part.tables:
        return "open"
    value = choice.value
    codes = part.codes[value["code"].split(".")[0]] if "code" in value else None
    if codes and all(gives[name].startswith("TODO") for _, gives, _ in codes.rules):
        return "open"
    if "identity" in value and source.identity:
        return "right"
    turned = bool(value.get("negate_when")) == bool(source.negate_when)
    if source.context or source.account:
        captured = value.get("context") or value.get("account")
        same = bool(captured) and _captured(made, captured) == _captured_by(
            mapping, str(source.context or source.account), made
        )
        return "right" if same else "wrong"
    if source.constant or source.same_as:
        return (
            "right" if source.constant == value.get("constant") and source.same_as == value.get("same_as") else "wrong"
        )
    titles = [mapping.codes[source.code.split(".")[0]].title] if source.code else source.titles
    drafted = value.get("title") or value.get("account_title")
    drafted = codes.title if codes else drafted
    same = any(
        normalise_title(_named(title, made, mapping, target)) == normalise_title(str(drafted)) for title in titles
    )
    return "right" if same and turned else "wrong"


def _named(title: str, made: Draft, mapping: Mapping, target: Target) -> str:
    """The title as the draft names it where a file has none: by place."""
    if mapping.format == "delimited" and mapping.reader.header == "none":
        return f"column_{mapping.reader.titles[target.lines].index(title) + 1}"
    if mapping.format == "fixed":
        place = list(mapping.reader.fields[target.lines][title])
        drafted = made.layout.reader["fields"].value["record"]
        return next((name for name, where in drafted.items() if where == place), title)
    return title


def _captured(made: Draft, name: str) -> str | None:
    one = next(stated for stated in made.context if stated.name == name)
    return _first(made, one.match, one.source)


def _captured_by(mapping: Mapping, name: str, made: Draft) -> str | None:
    return _first(made, mapping.context[name].match, mapping.context[name].source)


def _first(made: Draft, match: str, source: str) -> str | None:
    lines = {"file_name": [made.sample.name], "section": made.layout.sections}.get(source, made.sample.lines[:50])
    return next((hit.group(1) for line in lines if (hit := re.search(match, line))), None)


def _words(made: Draft, mapping: Mapping, result: Measure) -> None:
    """The words of drafted code maps by the shipped rules for the same title."""
    for part in made.targets:
        for codes in part.codes.values():
            shipped = next((one for one in mapping.codes.values() if one.title == codes.title), None)
            for word, gives, _ in codes.rules if shipped else ():
                if "type" not in gives:
                    continue
                meant = {rule.gives.get("type") for rule in shipped.rules if _meets(rule, word)} if shipped else set()
                verdict = "open" if gives["type"].startswith("TODO") else "right" if gives["type"] in meant else "wrong"
                result.words[verdict] += 1
                if verdict == "wrong":
                    result.wrong.append(f"{mapping.feed}: '{word}' is {gives['type']}, shipped {meant}")


def _meets(rule: CodeRule, word: str) -> bool:
    if rule.equals is not None:
        return word.lower() == rule.equals.lower()
    if rule.starts is not None:
        return word.lower().startswith(rule.starts.lower())
    return bool(re.fullmatch(str(rule.matches), word))


def all_measured(folder: Path) -> list[Measure]:
    """Every feed's measure over the project's own samples."""
    return [measured(path, load_mappings()[feed]) for feed, path in sample_files(folder).items()]


def table(measures: list[Measure]) -> str:
    """The shares as text: a line a feed, the canonical feeds (whose titles are the columns' names) together."""
    own = [one for one in measures if one.feed.startswith("canonical_")]
    others = [one for one in measures if one not in own]
    lines = [f"{'feed':26}" + "".join(f"{name:>22}" for name in ("columns", "words", "layout")) + "   right/wrong/open"]
    groups = [("canonical (11)", own), *((one.feed, [one]) for one in others), ("vendors together", others)]
    for name, group in groups:
        counts = [sum((getattr(one, what) for one in group), Counter()) for what in ("columns", "words", "layout")]
        lines.append(f"{name:26}" + "".join(f"{'/'.join(str(count[k]) for k in COUNTED):>22}" for count in counts))
    columns = sum((one.columns for one in others), Counter())
    share = ", ".join(f"{name} {columns[name] / columns.total():.0%}" for name in COUNTED)
    listed = [f"  {line}" for one in measures for line in (*one.wrong, *(f"extra {name}" for name in one.extra))]
    return "\n".join([*lines, f"columns of vendors: {share}", "wrong or extra:", *listed])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(table(all_measured(Path(folder))) + "\n")
