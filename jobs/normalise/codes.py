"""Code maps: which rule the vendor's word on a line meets, and what that rule gives."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.normalise.cells import Cells
from jobs.platform.mapping import Mapping
from jobs.platform.mapping_columns import WORD, Code

# The signs of every number style: in front, behind, and in brackets.
NEGATIVE = r"^\s*([$€£]?\s*-|\()|-\s*$"


def code_index(code: Code, cells: Cells) -> Column:
    """Number of the first rule of a code map that the line's word meets; NULL for none."""
    word = cells.at([code.title])
    index: Column | None = None
    for number, rule in enumerate(code.rules):
        if rule.equals is not None:
            test = F.lower(word) == rule.equals.lower()
        elif rule.starts is not None:
            test = F.lower(word).startswith(rule.starts.lower())
        else:
            test = word.rlike(f"^({rule.matches})$")
        if rule.sign is not None and code.amount is not None:
            negative = cells.at([code.amount]).rlike(NEGATIVE)
            test = test & (negative if rule.sign == "negative" else ~negative)
        index = F.when(test, number) if index is None else index.when(test, number)
    assert index is not None
    return index


def given(reference: str, cells: Cells) -> Column:
    """What `<map>.<name>` gives for the line's word, as text; NULL where the rule gives nothing."""
    code = cells.mapping.codes[reference.split(".", maxsplit=1)[0]]
    return given_by(code_index(code, cells), reference, cells.mapping, cells.at([code.title]))


def given_by(index: Column, reference: str, mapping: Mapping, word: Column | None = None) -> Column:
    """The same from the number of the rule; `word` is what a rule gives that gives the word itself."""
    name, _, wanted = reference.partition(".")
    by_value: dict[str, list[int]] = {}
    for number, rule in enumerate(mapping.codes[name].rules):
        if wanted in rule.gives:
            by_value.setdefault(rule.gives[wanted], []).append(number)
    text = F.lit(None).cast("string")
    for value, numbers in by_value.items():
        answer = word if value == WORD and word is not None else F.lit(value)
        text = F.when(index.isin(numbers), answer).otherwise(text)
    return text
