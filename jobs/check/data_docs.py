"""The pages that lead to the Data Docs: of all nights, and of each what every vendor delivered and what it missed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from jobs.check.expectations import Outcome, Slice

SUMMARY = "summary.json"
PAGE = (
    "<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title>"
    "<style>body{{font:15px/1.5 sans-serif;margin:2em}}td,th{{padding:.2em 1em .2em 0;text-align:left}}"
    ".missed{{font-weight:bold}}</style><h1>{title}</h1>{body}</html>\n"
)


def write_pages(data_docs: Path, run: Path, outcomes: Sequence[Outcome]) -> Path:
    """Write `index.html` of `data_docs` (a line per night), of the night (a line per run, vendor, feed and table) and
    the run's summary; `run`: the folder of its Data Docs. Returns the first page.

    Only tonight's summaries are read, so that it costs the same after years.
    """
    (run / SUMMARY).write_text(json.dumps(_summary(run, outcomes)), encoding="utf-8")
    night = run.parent
    runs = sorted(night.glob(f"run-*/{SUMMARY}"), key=_order, reverse=True)
    body = "".join(_run_in_words(path) for path in runs)
    _write(
        night / "index.html", f"Data quality of {night.name}", f"<p><a href='../index.html'>all nights</a></p>{body}"
    )
    nights = sorted((path.parent for path in data_docs.glob("*/index.html")), reverse=True)
    lines = "".join(f'<li><a href="{escape(one.name)}/index.html">{escape(one.name)}</a></li>' for one in nights)
    return _write(data_docs / "index.html", "Data Docs by night", f"<ul>{lines}</ul>")


def _summary(run: Path, outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    by_slice: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_slice[outcome.slice.suite_name].append(outcome)
    return [
        {
            "tenant": found[0].slice.tenant_id,
            "vendor": found[0].slice.vendor,
            "feed": found[0].slice.feed,
            "table": found[0].slice.table,
            "rules": len(found),
            "missed": [outcome.expected.name for outcome in found if not outcome.success],
            "page": _page(run, found[0].slice),
        }
        for _, found in sorted(by_slice.items())
    ]


def _page(run: Path, one: Slice) -> str:
    """The page of a slice's validation, as Great Expectations names it; the run's own index where it is not found."""
    folder = run / "validations" / one.tenant_id / one.feed / one.table
    found = sorted(folder.rglob("*.html"))
    return found[0].relative_to(run).as_posix() if found else "index.html"


def _run_in_words(summary: Path) -> str:
    name = summary.parent.name
    slices = json.loads(summary.read_text(encoding="utf-8"))
    by_vendor: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for one in slices:
        by_vendor[one["tenant"], one["vendor"]].append(one)
    rows = "".join(
        f"<tr><td>{escape(tenant)}</td><td>{escape(vendor)}</td><td>{escape(one['feed'])}</td>"
        f'<td><a href="{escape(name)}/{escape(one["page"])}">{escape(one["table"])}</a></td>'
        f"<td>{_missed_in_words(one)}</td></tr>"
        for (tenant, vendor), found in sorted(by_vendor.items())
        for one in found
    )
    heads = "".join(f"<th>{head}</th>" for head in ("tenant", "vendor", "feed", "table", "rules"))
    link = f'<a href="{escape(name)}/index.html">{escape(name.replace("-", " "))}</a>'
    return f"<h2>{link}</h2><table><tr>{heads}</tr>{rows}</table>"


def _missed_in_words(one: dict[str, Any]) -> str:
    if not one["missed"]:
        return f"all {one['rules']} held"
    return (
        f"<span class='missed'>{len(one['missed'])} of {one['rules']} missed: {escape(', '.join(one['missed']))}</span>"
    )


def _order(summary: Path) -> int:
    return int(summary.parent.name.removeprefix("run-"))


def _write(path: Path, title: str, body: str) -> Path:
    path.write_text(PAGE.format(title=escape(title), body=body), encoding="utf-8")
    return path
