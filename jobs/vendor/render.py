"""A draft as YAML: every line with how sure it is and why, so that whoever finishes it knows what to look at."""

from __future__ import annotations

from collections.abc import Iterator

from jobs.vendor.choice import Choice, todo, yaml_text
from jobs.vendor.draft import Draft
from jobs.vendor.drafted import Drafted


def render(draft: Draft) -> str:
    """The text of the mapping file. What is open begins with TODO: the loader refuses it until all are settled."""
    return "\n".join(_lines(draft)) + "\n"


def _lines(draft: Draft) -> Iterator[str]:
    sample = draft.sample
    of = f"{sample.name}, {sample.member}" if draft.layout.format == "workbook" else sample.name
    yield f"# Draft from {_words(of)}, {len(sample.lines)} lines. Beside each line: how sure it is (0 to 1), and why."
    yield "# What begins with TODO is undecided; the file does not load before every TODO is settled."
    yield from (f"# Look at: {_words(note)}." for note in draft.notes)
    head = dict(draft.head)
    tail = {
        name: head.pop(name)
        for name in ("business_date", "business_date_format", "numbers", "dates", "empty")
        if name in head
    }
    for name, choice in head.items():
        yield _line("", name, choice)
    yield "fingerprint:"
    yield from (_line("  ", name, choice) for name, choice in draft.fingerprint.items())
    if draft.layout.reader:
        yield "reader:"
        yield from (_line("  ", name, choice) for name, choice in draft.layout.reader.items())
    if draft.layout.rules:
        yield "lines:"
        yield from (f"  - {yaml_text(rule)}  # {_words(reason)}" for rule, reason in draft.layout.rules)
    if draft.context:
        yield "context:"
        for one in draft.context:
            yield f"  {one.name}: {yaml_text({'from': one.source, 'match': one.match})}  # {_words(one.choice.reason)}"
    for name, choice in tail.items():
        yield _line("", name, choice)
    yield from _codes(draft.targets)
    yield "targets:" if draft.targets else 'targets: "TODO: no records of a canonical table are seen"'
    for part in draft.targets:
        yield from _target(part)
    if draft.controls:
        yield "controls:"
        yield from (f"  - {yaml_text(one.value)}  # {_comment(one)}" for one in draft.controls)


def _codes(targets: list[Drafted]) -> Iterator[str]:
    maps = {name: codes for part in targets for name, codes in part.codes.items()}
    if maps:
        yield "codes:"
    for name, codes in maps.items():
        yield f"  {name}:"
        yield f"    title: {yaml_text(codes.title)}"
        yield "    rules:"
        for word, gives, reason in codes.rules:
            yield f"      - {yaml_text({'is': word, 'gives': gives})}" + (f"  # {_words(reason)}" if reason else "")


def _target(part: Drafted) -> Iterator[str]:
    table = todo("", part.tables) if part.tables else part.table
    yield f"  - table: {yaml_text(table)}  # {_words(part.reason)}"
    if part.kind != "record":
        yield f"    lines: {yaml_text(part.kind)}"
    if part.unpivot:
        yield f"    unpivot: {yaml_text(part.unpivot)}"
    yield "    columns:" + ("" if part.columns else " {}")
    yield from (_line("      ", name, choice) for name, choice in part.columns.items())
    if part.unread:
        listed = [_words(title) for title in part.unread]
        for start in range(0, len(listed), 6):
            yield f"      # {'not read: ' if not start else '          '}{', '.join(listed[start : start + 6])}"


def _line(indent: str, name: str, choice: Choice) -> str:
    comment = _comment(choice)
    return f"{indent}{name}: {yaml_text(choice.value)}" + (f"  # {comment}" if comment else "")


def _comment(choice: Choice) -> str:
    reason = _words(choice.reason)
    if choice.is_open or not choice.confidence or not reason:
        return reason
    return f"{choice.confidence:.2f} {reason}"


def _words(text: str) -> str:
    """One line for a comment, whatever a file's names and cells hold."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
