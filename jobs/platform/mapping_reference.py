"""`docs/mapping-language.md`: every key of a vendor mapping, out of the model that validates it.

python -m jobs.platform.mapping_reference    writes it anew
"""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from jobs.platform import mapping, mapping_columns, mapping_reader
from jobs.platform.settings import PROJECT_ROOT

PATH = PROJECT_ROOT / "docs" / "mapping-language.md"
PARTS: dict[str, type[BaseModel]] = {
    "(top level)": mapping.Mapping,
    "fingerprint": mapping.Fingerprint,
    "reader": mapping_reader.Reader,
    "lines[]": mapping_reader.LineRule,
    "context.<name>": mapping.Capture,
    "codes.<map>": mapping_columns.Code,
    "codes.<map>.rules[]": mapping_columns.CodeRule,
    "targets[]": mapping.Target,
    "targets[].unpivot": mapping_columns.Unpivot,
    "targets[].columns.<column>": mapping_columns.ColumnSource,
    "complete_with": mapping.CompleteWith,
    "replaces": mapping.Replaces,
    "controls[]": mapping.Control,
}


def reference() -> str:
    """The page: one section per part of a mapping, one line per key."""
    parts = [
        "# The mapping language",
        "Generated from the model (`jobs/platform/mapping.py`, `mapping_reader.py`, `mapping_columns.py`) by"
        " `python -m jobs.platform.mapping_reference`; do not edit. One file per feed in `vendor_mappings/`; a typo is"
        " an error with file, line and the nearest right word. How to begin: [add-a-vendor.md](add-a-vendor.md).",
    ]
    for name, model in PARTS.items():
        summary = " ".join((model.__doc__ or "").split())
        rows = [_row(field.alias or key, field) for key, field in model.model_fields.items()]
        head = [f"## {name}\n\n{summary}\n", "| key | value | default | meaning |", "|---|---|---|---|"]
        parts.append("\n".join([*head, *rows]))
    return "\n\n".join(parts) + "\n"


def _row(key: str, field: FieldInfo) -> str:
    if field.is_required():
        default = "**required**"
    else:
        value = field.get_default(call_default_factory=True)
        empty = value is None or (isinstance(value, list | dict) and not value) or isinstance(value, BaseModel)
        default = "" if empty else f"`{str(value).lower() if isinstance(value, bool) else value}`"
    cells = (f"`{key}`", _kind(field.annotation), default, field.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _kind(annotation: Any) -> str:  # noqa: PLR0911 one answer a kind of type
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(inner[0])
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in inner)
    if origin in {Union, types.UnionType}:
        return " or ".join(dict.fromkeys(_kind(one) for one in inner if one is not type(None)))
    if origin is list:
        return f"list of {_kind(inner[0])}"
    if origin is dict:
        return f"map of {_kind(inner[1])}"
    if origin is tuple:
        return "[first, length]"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "keys, see below"
    return {str: "text", bool: "`true` or `false`", int: "number"}.get(annotation, str(annotation))


def main() -> None:
    PATH.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
