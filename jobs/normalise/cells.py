"""One line of delimited text to its cells, by column functions; a line whose quotes do not fit gives none."""

from __future__ import annotations

import re

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.platform.mapping import Reader

BLANKS = " \t\r"
LONGEST = 2**31 - 1


def cells_of(raw: Column, reader: Reader) -> Column:
    """array<string>: the cells of a line, outer blanks and quotes gone; NULL where a quote is left open or followed
    by text. Quotes within a quoted cell are doubled (RFC 4180).

    Most lines have no quote and are split as they are. The others are taken apart by a pattern, which is right only
    if its pieces are the whole line: nothing between two cells can get lost.
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
