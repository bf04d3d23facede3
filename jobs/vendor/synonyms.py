"""`synonyms.yaml`: what files call the canonical columns, and which columns make a file one of a table."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path

from pydantic import Field, model_validator

from jobs.platform import schemas
from jobs.platform.yaml_model import StrictModel, load_yaml

PATH = Path(__file__).parent / "synonyms.yaml"
REPEATED = re.compile(r"\.\d+$")


class Terms(StrictModel):
    """Titles of one canonical column, in small letters without accents and signs."""

    own: list[str] = Field(default=[], description="titles that mean this column and no other of the table")
    loose: list[str] = Field(default=[], description="general words: count where no title has one of `own`")


class Needs(StrictModel):
    """What makes a file one of a canonical table."""

    any_of: list[list[str]] = Field(min_length=1, description="of each list one column must be there")
    never: list[str] = Field(default=[], description="columns (of any table) that the file must not have")


class Synonyms(StrictModel):
    """The dictionary."""

    columns: dict[str, Terms] = Field(description="by canonical column, or <table>.<column> for one table alone")
    tables: dict[str, Needs]
    words: dict[str, list[str]] = Field(description="vendor's words by canonical transaction type")
    modifiers: list[str] = Field(description="words that change nothing about the type beside them")

    @model_validator(mode="after")
    def _no_title_means_two_columns(self) -> Synonyms:
        for table in self.tables:
            seen: dict[tuple[str, str], str] = {}
            for column in schemas.table(table).columns:
                terms = self.terms(table, column.name)
                for term in (*terms.own, *terms.loose):
                    # The same word for a date and for a text is told apart by the values.
                    if seen.setdefault((term, column.type), column.name) != column.name:
                        other = seen[term, column.type]
                        raise ValueError(f"in {table} '{term}' means both {other} and {column.name}")
                    if term != plain(term):
                        raise ValueError(f"'{term}' is not plain: '{plain(term)}'")
        return self

    def terms(self, table: str, column: str) -> Terms:
        """The titles of a column in a table: its own name, those of the table alone if given, else the general ones."""
        found = self.columns.get(f"{table}.{column}") or self.columns.get(column) or Terms()
        return Terms(own=sorted({plain(column), *found.own}), loose=found.loose)

    def type_of(self, word: str) -> str | None:
        """The canonical transaction type that a vendor's word certainly means, or None."""
        rest = " ".join(one for one in plain(word).split() if one not in self.modifiers) or plain(word)
        return next((kind for kind, known in self.words.items() if rest in known or plain(word) in known), None)


@cache
def synonyms() -> Synonyms:
    """The dictionary as shipped. Raises ConfigError where it is wrong."""
    return load_yaml(PATH, Synonyms)


def plain(title: str) -> str:
    """Small letters, no accents, no units in brackets, words apart: 'tradeDate' and 'Trade Date ($)' alike."""
    text = REPEATED.sub("", title.strip())
    text = re.sub(r"\s*[(\[][^)\]]{0,4}[)\]]$", "", text)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    text = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return " ".join(re.sub(r"[^a-z0-9%]+", " ", text.lower()).split())


def forms(title: str) -> list[str]:
    """What a title may be looked up by: all of it, then the end of a path such as `attributes.trade_date`."""
    parts = [plain(part) for part in re.split(r"[./]", REPEATED.sub("", title))]
    found = [plain(title)]
    if len(parts) > 1:
        found += [" ".join(parts[-2:]), parts[-1]]
        if parts[-1] in {"value", "amount", "text", "dt", "id", "code"}:
            found += [parts[-2]]
    return list(dict.fromkeys(one for one in found if one))


@cache
def every_term() -> frozenset[str]:
    """All titles that any column of any table may have."""
    known = synonyms()
    found = [known.terms(table, column.name) for table in known.tables for column in schemas.table(table).columns]
    return frozenset(term for terms in found for term in (*terms.own, *terms.loose))


@cache
def around_terms() -> frozenset[str]:
    """Titles of what a record may take from the elements around it: its account, its day, its currency."""
    known = synonyms()
    found = [
        known.terms(table, name)
        for table in ("valuation", "transaction")
        for name in ("account_id", "currency", "as_of_date")
    ]
    return frozenset(term for terms in found for term in (*terms.own, *terms.loose)) - {"date", "portfolio", "account"}
