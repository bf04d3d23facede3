"""Workbooks: each sheet is a member of the file, each row a line that holds its cells as a JSON array of texts."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import IO, Any

from jobs.detect.formats import FormatError, read_whole


def sheets(stream: IO[bytes]) -> list[str]:
    """Names of the sheets, hidden ones too, in their order. Raises FormatError where it is no workbook."""
    book = _open(read_whole(stream))
    try:
        return list(book.sheetnames)
    finally:
        book.close()


def lines(stream: IO[bytes], sheet: str) -> Iterator[str]:
    """The sheet's rows down to the last that holds anything; empty rows between them are empty lines.

    A date is ISO text, a number its shortest exact decimal (no `.0`), a cell shown as percent carries the sign, an
    error or a formula that was never calculated its own text: what a column means is the mapping's to say.
    """
    data = read_whole(stream)
    book, formulas = _open(data), _open(data, formulas=True)
    try:
        empty = 0
        for row, written in zip(book[sheet].iter_rows(), formulas[sheet].iter_rows(), strict=True):
            texts = [_text(cell, origin.value) for cell, origin in zip(row, written, strict=True)]
            while texts and not texts[-1]:
                texts.pop()
            if not texts:
                empty += 1
                continue
            yield from [""] * empty
            empty = 0
            yield json.dumps(texts, ensure_ascii=False)
    finally:
        book.close()
        formulas.close()


def _open(data: bytes, *, formulas: bool = False) -> Any:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        return openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=not formulas)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise FormatError(f"not readable as a workbook: {error}") from error


def _text(cell: Any, written: Any) -> str:
    value = cell.value
    if value is None:
        # Nothing is known of a formula's result unless somebody's spreadsheet program has put it there.
        return f"{written} (never calculated)" if isinstance(written, str) and written.startswith("=") else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        number = Decimal(repr(value))
        return f"{_plain(number * 100)}%" if "%" in (cell.number_format or "") else _plain(number)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, date | time) else " ".join(str(value).split())


def _plain(number: Decimal) -> str:
    text = f"{number.normalize():f}"
    return "0" if text == "-0" else text
