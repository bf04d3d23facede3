"""The part of a mapping that says how a file's bytes become lines and lines become cells: its format and its kinds."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from jobs.platform.yaml_model import StrictModel


def _valid_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_valid_pattern)]

# delimited: text with a delimiter. fixed: text by position. json: an object a line.
# json_document: one JSON text, its objects as records. xml, ofx: elements as records.
# workbook: a sheet's rows. swift: fields such as :61: as records. parquet: rows, their names in lower case. Formats of
# NAMED find a cell by its name alone.
Format = Literal["delimited", "fixed", "json", "json_document", "xml", "ofx", "workbook", "swift", "parquet"]
NAMED: frozenset[str] = frozenset({"json", "json_document", "xml", "ofx", "swift", "parquet"})
# Not read as the lines that they are, but as lines that `jobs/detect/formats` makes of them.
CONVERTED: frozenset[str] = frozenset({"json_document", "xml", "ofx", "workbook", "swift"})

# Names that Java and Python have alike.
Encoding = Literal[
    "utf-8", "iso-8859-1", "iso-8859-2", "iso-8859-15", "windows-1250", "windows-1252", "cp437", "cp850", "cp852"
]

# Of these kinds the reader knows what they mean; a mapping may name others, as its file does.
LINE_KINDS = ("blank", "preamble", "header", "section", "heading", "cash", "total", "footer", "record", "other")
LineKind = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]

Place = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]


class Reader(StrictModel):
    """How bytes become lines and lines become cells."""

    encoding: Encoding = Field(default="utf-8", description="of the file's text")
    delimiter: str = Field(default=",", min_length=1, max_length=1, description="between two cells")
    quote: str = Field(default='"', min_length=1, max_length=1, description="around a cell; doubled within it")
    header: Literal["once", "repeated", "none"] = Field(
        default="once", description="titles on one line, on a line per block, or not in the file"
    )
    header_rows: int = Field(default=1, ge=1, le=3, description="lines of a header whose cells are joined to titles")
    titles: dict[LineKind, list[str]] = Field(default={}, description="names of the cells where no header gives them")
    fields: dict[LineKind, dict[str, Place]] = Field(
        default={}, description="of a fixed format: first column (from 1) and length of each field"
    )
    width: int | None = Field(default=None, ge=1, description="length of every line of a fixed format")
    continues: dict[LineKind, LineKind] = Field(
        default={},
        description="kind of a line that goes on with the record line before it: its kind. Of a fixed format the line "
        "has fields of its own; of a delimited one its cells go on with the record's",
    )
    same: list[str] = Field(
        default=[], description="fields that such a line of a fixed format has alike with the record line"
    )
    records: list[str] = Field(
        default=[],
        description="elements (xml, ofx) or names of objects (json_document) that are records of their own; "
        "Cube[rate]: those with this attribute",
    )
    quoted_lines: bool = Field(
        default=False, description="whether a quoted cell may hold line breaks (delimited): each file is then one task"
    )
    sheet: Pattern | None = Field(default=None, description="pattern of the sheet's name (workbook)")
    short_rows: bool = Field(default=False, description="whether a row may have fewer cells than the header")
    long_rows: bool = Field(default=False, description="whether a row may have more cells than the header")


class LineRule(StrictModel):
    """Lines of one kind: recognised by a pattern on their text, or by patterns on named fields (json, xml, ofx, swift).

    The first rule that a line meets decides. A line that meets none is a `record`; of xml, ofx and swift it has the
    name of its element.
    """

    kind: LineKind = Field(description="what such a line is: preamble, header, section, total, or a name of your own")
    match: Pattern | None = Field(default=None, description="pattern found in the line's text")
    fields: dict[str, Pattern] = Field(default={}, description="pattern that each named field matches as a whole")
    under: Pattern | None = Field(
        default=None, description="only below a line of kind section or heading in which this pattern is found, the "
        "last such line counting: of files whose tables only their headings tell apart",
    )  # fmt: skip

    @model_validator(mode="after")
    def _one_test(self) -> LineRule:
        if self.match is not None and self.fields:
            raise ValueError("needs at most one of match, fields")
        if self.match is None and not self.fields and self.under is None:
            raise ValueError("needs match, fields or under")
        return self
