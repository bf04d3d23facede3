"""Files of a standard: what a draft would find out is written down already, so the shipped mapping is the draft."""

from __future__ import annotations

import re

from jobs.platform.mapping import mappings_folder
from jobs.vendor.choice import FEED, VENDOR, named, todo, yaml_text
from jobs.vendor.text import Sample, format_of

FEEDS = {"ofx": "ofx_investment", "swift": "mt940_statement"}
CAMT = re.compile(r"urn:iso:std:iso:20022:tech:xsd:camt\.053")


def standard(sample: Sample) -> str | None:
    """The shipped feed of the standard that the file follows; None where it follows none."""
    form = format_of(sample)
    if form == "xml" and any(CAMT.search(line) for line in sample.lines[:20]):
        return "camt053_statement"
    return FEEDS.get(form)


def copied(feed: str, sample: Sample, vendor: str | None, name: str | None) -> str:
    """The mapping of a standard under another vendor's name. What tells the two apart is left open."""
    text = (mappings_folder() / f"{feed}.yaml").read_text(encoding="utf-8")
    names = {"vendor": named(vendor, VENDOR).value, "feed": named(name, FEED).value}
    for key, value in names.items():
        text = re.sub(rf"^{key}: .*$", f"{key}: {yaml_text(value)}", text, count=1, flags=re.MULTILINE)
    hint = yaml_text(todo(f"a signature of this vendor's files, else they and {feed} both fit"))
    text = re.sub(r"^  signature: ", f"  signature: {hint}  # was ", text, count=1, flags=re.MULTILINE)
    return (
        f"# Draft from {sample.name}: the file follows a standard, so this is {feed}.yaml under another name.\n" + text
    )
