"""`docs/data-dictionary.md`: every table of `schemas/`, for people.

python -m jobs.platform.data_dictionary    writes it anew
"""

from __future__ import annotations

from jobs.platform.schemas import Column, Layer, Table, tables
from jobs.platform.settings import PROJECT_ROOT

PATH = PROJECT_ROOT / "docs" / "data-dictionary.md"
LAYERS: dict[Layer, str] = {
    "bronze": "What came in, line by line.",
    "silver": "Typed rows of the vendors' files. Every table but `quarantine` also carries its lineage (see the end).",
    "gold": "What is calculated and published.",
    "marts": "Tables that exist in Postgres only.",
}


def dictionary() -> str:
    """The page: one section per layer, one table per table."""
    parts = [
        "# Data dictionary",
        "Generated from `schemas/` by `python -m jobs.platform.data_dictionary`; do not edit. Types: decimal is"
        " DECIMAL(28,8); a return is a double and a fraction (0.0125 is 1.25 %). In Postgres the same texts are the"
        " comments of tables and columns; those of `ops` and `security` stand in `sql/schema.sql`.",
    ]
    for layer, meaning in LAYERS.items():
        if tables(layer):
            parts += [f"## {layer}", meaning, *(_section(described) for described in tables(layer))]
    silver = tables("silver")[0]
    parts += ["## Lineage of silver rows", _rows(silver.all_columns[len(silver.columns) :], [])]
    return "\n\n".join(parts) + "\n"


def _section(described: Table) -> str:
    published = f" Published as {', '.join(f'`{name}`' for name in described.published_as)}."
    text = f"{described.meaning}{published if described.published_as else ''}"
    return f"### {described.table}\n\n{text}\n\n{_rows(described.columns, described.key)}"


def _rows(columns: list[Column], key: list[str]) -> str:
    lines = ["| column | type | meaning |", "|---|---|---|"]
    for column in columns:
        name = f"**{column.name}**" if column.name in key else column.name
        notes = [
            column.meaning,
            "Personal data." if column.pii else "",
            "Stopped alone where its type changes." if column.stoppable else "",
            f"One of {', '.join(column.values)}." if column.values else "",
        ]
        kind = column.type if column.nullable else f"{column.type}, not null"
        text = " ".join(note for note in notes if note).replace("|", "\\|")
        lines.append(f"| {name} | {kind} | {text} |")
    return "\n".join(lines)


def main() -> None:
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(dictionary(), encoding="utf-8")


if __name__ == "__main__":
    main()
