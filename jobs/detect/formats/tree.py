"""Trees (XML, OFX) to flat records: one JSON object per record element, with its own fields and its parents'.

A mapping names the elements that are records. A record's fields are its attributes and the texts below it, by their
path within the record (`Amt`, `Amt/Ccy`, `BookgDt/Dt`; one that comes again is `Ref[2]`). What stands around a record
has the ancestor's name in front: `Stmt/Acct/Id/IBAN`. The rest of the file is accounted for too: what belongs to an
element that holds records comes as a record of its name when it closes, and so do elements that a rule of `lines` asks
for by name, whether they hold any or not, and rows that no mapping asked for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field

ELEMENT = "element"


@dataclass
class Node:
    """One element that is open: its name and what was found in it so far."""

    name: str
    fields: dict[str, str] = field(default_factory=dict)
    in_record: bool = False
    has_record: bool = False
    children: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Start:
    """An element opens, with its attributes."""

    name: str
    attributes: dict[str, str]


@dataclass(frozen=True)
class End:
    """The element that was opened last closes; `text` is its own."""

    text: str


def records(
    events: Iterable[Start | End], names: set[str], wanted: Container[str], asked: Callable[[str], bool]
) -> Iterator[str]:
    """JSON lines: the record elements `names` in the order in which they close, and what is outside of any.

    A name such as `Cube[rate]` is that of elements with the attribute: some files call all their levels alike.
    `wanted`: the fields of ancestors that are asked for; a record has those that came before it. `asked`: whether a
    rule asks for an element that is no record.
    """
    stack: list[Node] = []
    for event in events:
        if isinstance(event, Start):
            inside = bool(stack) and stack[-1].in_record
            stack.append(Node(event.name, dict(event.attributes), in_record=inside or _is_record(event, names)))
            continue
        node = stack.pop()
        if event.text:
            node.fields[""] = event.text
        parent = stack[-1] if stack else None
        if node.in_record and (parent is None or not parent.in_record):
            yield _line(node, stack, wanted)
            for above in stack:
                above.has_record = True
        elif (
            parent is None
            or node.has_record
            or (not node.in_record and asked(node.name))
            or (not parent.in_record and parent.children[node.name])
        ):
            # A part that comes again is a list of rows: the first alone can belong to what is around it.
            if node.fields:
                yield _line(node, stack, wanted)
        else:
            parent.children[node.name] += 1
            number = parent.children[node.name]
            name = node.name if number == 1 else f"{node.name}[{number}]"
            parent.fields.update({f"{name}/{path}" if path else name: text for path, text in node.fields.items()})


def _is_record(start: Start, names: set[str]) -> bool:
    return start.name in names or any(f"{start.name}[{attribute}]" in names for attribute in start.attributes)


def _line(node: Node, around: list[Node], wanted: Container[str]) -> str:
    found = {ELEMENT: node.name}
    for above in around:
        found |= {name: above.fields[path] for path in above.fields if (name := f"{above.name}/{path}") in wanted}
    found |= {path or "text": text for path, text in node.fields.items()}
    return json.dumps(found, ensure_ascii=False)
