"""A line to its cells, by column functions: split, by position, or by name; and where a title's cell is then found."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.platform.mapping import Mapping, normalise_title
from jobs.platform.mapping_reader import NAMED, Reader

BLANKS = " \t\r"
LONGEST = 2**31 - 1


# A line of a format of NAMED, parsed once: a variant keeps decimals exact. NULL where the line is no JSON.
NAMED_CELLS = "named"


@dataclass(frozen=True)
class Cells:
    """Where the cells of one kind of line are found, by the format of the mapping.

    header: the one that all files of the feed have (None: they differ, and the columns `names` and `cells` say).
    """

    mapping: Mapping
    kind: str
    header: list[str] | None = None

    def at(self, titles: list[str]) -> Column:
        """The text under the first of these titles that the file has; NULL where it has none of them."""
        if self.mapping.format in NAMED:
            found = [F.try_variant_get(NAMED_CELLS, _path(title, self.mapping), "string") for title in titles]
        elif self.mapping.format == "fixed":
            found = [self._by_position(title) for title in titles]
        else:
            declared = self.mapping.reader.titles.get(self.kind) if self.mapping.reader.header == "none" else None
            header = declared if declared is not None else self.header
            if header is not None:  # places are known before the first row is read
                names = [normalise_title(name) for name in header]
                places = [names.index(normalise_title(title)) for title in titles if normalise_title(title) in names]
                return F.get("cells", F.lit(places[0])) if places else F.lit(None).cast("string")
            found = [F.get("cells", (F.array_position("names", normalise_title(t)) - 1).cast("int")) for t in titles]
        return found[0] if len(found) == 1 else F.coalesce(*found)

    def _by_position(self, title: str) -> Column:
        reader = self.mapping.reader
        continuing = [kind for kind, of in reader.continues.items() if of == self.kind]
        for text, kind in [("raw", self.kind), *[(f"raw_{kind}", kind) for kind in continuing]]:
            fields = {normalise_title(name): place for name, place in reader.fields.get(kind, {}).items()}
            if normalise_title(title) in fields:
                first, length = fields[normalise_title(title)]
                return F.btrim(F.substring(text, first, length), F.lit(BLANKS))
        return F.lit(None).cast("string")


def added_cells(mapping: Mapping) -> dict[str, Column]:
    """The columns that `Cells` reads from, of the column raw: `cells` (an array) or `named` (a struct), or none."""
    if mapping.format in NAMED:
        return {NAMED_CELLS: F.try_parse_json("raw")}
    if mapping.format == "workbook":
        return {"cells": F.when(F.col("raw") == "", F.array()).otherwise(F.from_json("raw", "array<string>"))}
    if mapping.format == "delimited":
        return {"cells": cells_of(F.col("raw"), mapping.reader)}
    return {}


def named_text(name: str, mapping: Mapping) -> Column:
    """One field of a line of a NAMED format, straight from its text (to say what kind the line is)."""
    return F.get_json_object("raw", _path(name, mapping))


def _path(name: str, mapping: Mapping) -> str:
    """In JSON of a vendor `a.b` is b in a; a converted line has one level, whatever its names look like."""
    parts = name.split(".") if mapping.format in {"json", "parquet"} else [name]
    return "$" + "".join(f"['{part.lower() if mapping.format == 'parquet' else part}']" for part in parts)


def cells_of(raw: Column, reader: Reader) -> Column:
    """array<string>: the cells of a line, outer blanks and quotes gone; NULL where a quote is left open or followed
    by text. Quotes within a quoted cell are doubled (RFC 4180).

    Most lines have no quote and are split as they are. The others are taken apart by a pattern, which is right only
    if its pieces are the whole line: nothing between two cells can get lost. On such lines it finds what Spark's
    from_csv does, which closes open quotes, drops cells that a header has no title for, and does not say how many
    there were.
    """
    plain = F.transform(F.split(raw, re.escape(reader.delimiter)), lambda cell: F.btrim(cell, F.lit(BLANKS)))
    return F.when(~F.contains(raw, F.lit(reader.quote)), plain).otherwise(_quoted(raw, reader))


def _quoted(raw: Column, reader: Reader) -> Column:
    # In front of every cell stands a delimiter, also of the first: no piece is empty, and each begins the same way.
    line = F.concat(F.lit(reader.delimiter), raw)
    pieces = F.regexp_extract_all(line, F.lit(_piece(reader)), F.lit(0))
    fits = F.array_join(pieces, "") == line
    quote = reader.quote

    def content(piece: Column) -> Column:
        cell = F.btrim(F.substring(piece, 2, LONGEST), F.lit(BLANKS))
        inner = F.substring(cell, F.lit(2), F.length(cell) - 2)
        return F.when(cell.startswith(quote), F.replace(inner, F.lit(quote * 2), F.lit(quote))).otherwise(cell)

    return F.when(fits, F.transform(pieces, content))


def _piece(reader: Reader) -> str:
    d, q = re.escape(reader.delimiter), re.escape(reader.quote)
    quoted = rf"[ \t]*{q}[^{q}]*+(?:{q}{q}[^{q}]*+)*+{q}[ \t\r]*"
    text = rf"(?![ \t]*{q})[^{d}]*+"  # a quote further on is a character as any other: 5" pipe
    return rf"{d}(?:{quoted}|{text})(?={d}|\z)"
