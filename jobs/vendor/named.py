"""The layout of JSON Lines and XML: records of several kinds whose cells have names."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

from jobs.detect.formats import tree
from jobs.platform.errors import DietzError
from jobs.vendor.choice import Choice, todo
from jobs.vendor.layout import Layout, Records
from jobs.vendor.synonyms import around_terms, forms, plain
from jobs.vendor.text import LINES, Sample

MAX_KINDS = 12


class _Every(set[str]):
    """Asked for everything: which names of parents a mapping wants is what the draft is to find out."""

    def __contains__(self, _: object) -> bool:
        return True


def json_lines(sample: Sample) -> Layout:
    """Of an object a line; a field whose words go with different fields tells the kinds apart."""
    found, broken = [], 0
    for line in sample.lines:
        try:
            value = json.loads(line, parse_float=Decimal, parse_int=Decimal) if line.strip() else None
        except ValueError:
            value, broken = None, broken + 1
        if isinstance(value, dict):
            found.append(dict(_flat("", value)))
    layout = Layout("json", [], {"encoding": sample.encoding}, has_header=False, first_line=sample.lines[0])
    if broken:
        layout.notes.append(f"{broken} lines are no JSON: they will be quarantined")
    kinds = _kind_field(found)
    if kinds is None:
        layout.records = [_records("record", found)]
        return layout
    for word in dict.fromkeys(one[kinds] for one in found):
        kind = _kind_name(word)
        layout.rules.append(({"kind": kind, "fields": {kinds: re.escape(word)}}, f"'{kinds}' tells the kinds apart"))
        of_kind = [{name: text for name, text in one.items() if name != kinds} for one in found if one[kinds] == word]
        layout.records.append(_records(kind, of_kind))
    return layout


def parquet(sample: Sample) -> Layout:
    """Of a row a line. What only the folders say (business_date=...) is for a person to capture."""
    found = [dict(_flat("", json.loads(line, parse_float=Decimal, parse_int=Decimal))) for line in sample.lines]
    layout = Layout("parquet", [_records("record", found)], has_header=False)
    layout.notes.append("a value that stands in a folder's name alone is captured by `context`, from: path")
    return layout


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else name, inner)
    elif value is None:
        yield prefix, ""
    elif isinstance(value, bool):
        yield prefix, str(value).lower()
    elif not isinstance(value, list):
        yield prefix, str(value)


def _kind_field(found: list[dict[str, str]]) -> str | None:
    """The field that every record has and whose few words go with sets of fields that differ."""
    for name in found[0] if found else ():
        words = Counter(one.get(name, "") for one in found)
        if not 1 < len(words) <= MAX_KINDS or "" in words or not all(_kind_name(word) for word in words):
            continue
        fields = [set().union(*(one.keys() for one in found if one[name] == word)) for word in words]
        if all(len(a & b) < 0.8 * len(a | b) for n, a in enumerate(fields) for b in fields[n + 1 :]):
            return name
    return None


def _kind_name(word: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_]+", "_", word)
    return name if re.match(r"[A-Za-z]", name) and len(name) <= 40 else ""


def xml(sample: Sample) -> Layout:
    """Of the elements that come again below one parent, or are alike in name anywhere."""
    if not sample.whole and len(sample.lines) < LINES:
        raise DietzError(f"{sample.name}: too large for a draft of XML: give it a smaller file of the feed")
    try:
        root = ElementTree.fromstring(sample.data)
    except ElementTree.ParseError as error:
        line, column = error.position
        raise DietzError(f"{sample.name}: line {line}, column {column + 1}: not well-formed XML") from error
    return _of_tree(sample, root)


def _of_tree(sample: Sample, root: Any) -> Layout:
    names = _record_names(root)
    if not names:
        raise DietzError(f"{sample.name}: no element comes again, so none is seen to be a record")
    layout = Layout("xml", [], {"encoding": sample.encoding}, has_header=False)
    layout.first_line = next((line for line in sample.lines if _local(root.tag) in line), sample.lines[0])
    layout.preamble = [line for line in sample.lines[:5] if line.startswith("<?")]
    layout.reader["records"] = Choice(names, 0.7, "elements that come again, with the columns of a table")
    outer = {
        _local(one.tag)
        for one in root.iter()
        if any(_local(below.tag) in names for below in one.iter() if below is not one)
    }
    by_kind: dict[str, list[dict[str, str]]] = defaultdict(list)
    for line in tree.records(_events(root), set(names), _Every(), lambda _: False):
        one = json.loads(line)
        kind = one.pop(tree.ELEMENT)
        if kind in names:
            by_kind[kind].append({name: text for name, text in one.items() if _is_read(name, outer)})
    for name in names:
        if by_kind[name]:
            records = _records(name, by_kind[name])
            _one_level(records, layout)
            layout.records.append(records)
    return layout


def _one_level(records: Records, layout: Layout) -> None:
    """Records of several levels of detail say the same money more than once: a person says which level counts."""
    for title in records.titles:
        words = sorted({cell for cell in records.column(title) if cell})
        if len(words) > 1 and re.search(r"\b(level of detail|detail level)\b", plain(title)):
            kind = f"{records.kind.lower()}_lines"
            fields = {tree.ELEMENT: records.kind, title: todo("the one level that counts", words)}
            layout.rules.append(({"kind": kind, "fields": fields}, "the others say the same again"))
            records.kind = kind


def _is_read(name: str, outer: set[str]) -> bool:
    """Whether a field is the record's own, or one that a record takes from what is around it."""
    return name.split("/", maxsplit=1)[0] not in outer or any(form in around_terms() for form in forms(name))


def _record_names(root: Any) -> list[str]:
    """Outermost elements that hold several values and either come again below a parent or have sisters that do so."""
    times: Counter[str] = Counter()
    again: set[str] = set()
    parts: dict[str, set[str]] = defaultdict(set)
    inside: dict[str, set[str]] = defaultdict(set)
    stack: list[tuple[Any, tuple[str, ...]]] = [(root, ())]
    while stack:
        element, above = stack.pop()
        name = _local(element.tag)
        times[name] += 1
        parts[name] |= set(element.attrib) | {_local(child.tag) for child in element}
        inside[name] |= set(above)
        below = Counter(_local(child.tag) for child in element)
        again |= {child for child, count in below.items() if count > 1}
        stack += [(child, (*above, name)) for child in element]
    listed = {name for name in times if re.search(r"(LIST|s)$", name) and not re.search(r"ss$", name)}
    rows = {name for name in times if len(parts[name]) >= 3 and (name in again or _parents(root, name) & listed)}
    # What holds another repeated element is what stands around records, not a record.
    holders = {above for name in rows for above in inside[name]}
    return sorted(rows - holders - {_local(root.tag)})


def _parents(root: Any, name: str) -> set[str]:
    return {_local(parent.tag) for parent in root.iter() if any(_local(child.tag) == name for child in parent)}


def _events(element: Any) -> Iterator[tree.Start | tree.End]:
    yield tree.Start(_local(element.tag), {_local(name): text for name, text in element.attrib.items()})
    for child in element:
        yield from _events(child)
    yield tree.End((element.text or "").strip())


def _local(name: str) -> str:
    return name.rsplit("}", 1)[-1]


def _records(kind: str, found: list[dict[str, str]]) -> Records:
    titles = list(dict.fromkeys(name for one in found for name in one))
    return Records(kind, titles, [[one.get(title, "") for title in titles] for one in found])
