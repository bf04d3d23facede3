"""Manifests and sets: what a vendor delivers together is taken together and as it was sent, or not at all."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import AliasChoices, BaseModel, Field, ValidationError

from jobs.detect.landing import Delivery
from jobs.platform.ledger import FileRecord
from jobs.platform.mapping import Mapping

NAMES = ("*.manifest.json", "manifest.json", "_manifest.json")


class Listed(BaseModel):
    """A file as its manifest states it; what is left out is not compared."""

    name: str = Field(validation_alias=AliasChoices("name", "file", "file_name", "path"))
    sha256: str | None = Field(default=None, validation_alias=AliasChoices("sha256", "hash", "checksum"))
    size: int | None = Field(default=None, validation_alias=AliasChoices("size", "size_bytes", "bytes"))
    records: int | None = Field(default=None, validation_alias=AliasChoices("records", "count", "rows"))
    lines: int | None = None


class Manifest(BaseModel):
    """A vendor's list of the files of one delivery."""

    files: list[Listed] = Field(min_length=1, validation_alias=AliasChoices("files", "pages", "parts"))


@dataclass(frozen=True)
class Sent:
    """A delivered file with what a manifest says of it; `waits`: why the whole delivery cannot be taken yet."""

    manifest: str
    listed: Listed | None
    waits: str | None


def is_manifest(path: Path) -> bool:
    """Whether the name is that of a manifest, which is no delivery of its own."""
    return any(path.match(name) for name in NAMES)


def sent_with(deliveries: Iterable[Delivery]) -> dict[str, Sent]:
    """By the relative path of a delivery: what the manifest beside it states. Files that none lists are left out."""
    folders = sorted({one.path.parent for one in deliveries})
    found: dict[str, Sent] = {}
    by_path = {one.path: one.relative for one in deliveries}
    for path in sorted({path for folder in folders for name in NAMES for path in folder.glob(name)}):
        try:
            manifest = Manifest.model_validate_json(path.read_bytes())
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"])
            why = f"{path.name} is no manifest yet: {where + ': ' if where else ''}{problem['msg']}"
            # Which files it means is not known: all that came with it wait.
            beside = (relative for other, relative in by_path.items() if other.parent == path.parent)
            found |= {relative: Sent(path.name, None, why) for relative in beside}
            continue
        reasons = (_why(path.parent / one.name, one, path.name) for one in manifest.files)
        waits = next((reason for reason in reasons if reason), None)
        for one in manifest.files:
            if (relative := by_path.get(path.parent / one.name)) is not None:
                found[relative] = Sent(path.name, one, waits)
    return found


def _why(path: Path, stated: Listed, manifest: str) -> str | None:
    if not path.exists():
        return f"{manifest} lists {stated.name}, which is not there"
    size = path.stat().st_size
    if stated.size is not None and size != stated.size:
        return f"{stated.name} has {size:,} bytes, {manifest} states {stated.size:,}"
    if stated.sha256 is not None:
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != stated.sha256.lower():
                return f"{stated.name} is not the file whose sha256 {manifest} states"
    return None


def as_sent(record: FileRecord, sent: Sent | None, mappings: dict[str, Mapping]) -> FileRecord:
    """The record, refused where the file has fewer lines than its manifest states records, or another number of lines
    than it states. Which lines are records is known once they are read: normalise compares what is noted here."""
    if sent is None or sent.listed is None or record.status != "detected":
        return record
    lines, records = sent.listed.lines, sent.listed.records
    if mappings[str(record.feed)].manifest_counts == "lines":
        lines, records = records if lines is None else lines, None
    held = record.lines or 0
    if lines is not None and held != lines:
        message = f"the file has {held:,} lines, {sent.manifest} states {lines:,}"
    elif records is not None and held < records:
        message = f"the file has {held:,} lines, {sent.manifest} states {records:,} records"
    elif records is not None:
        stated = {"name": sent.manifest, "records": records}
        return replace(record, detection={**record.detection, "manifest": stated})
    else:
        return record
    return replace(record, status="refused", message=message)


def complete_sets(
    records: list[FileRecord], earlier: list[FileRecord], mappings: dict[str, Mapping]
) -> list[FileRecord]:
    """The records, those waiting whose set (`complete_with` of the mapping) has not come in full.

    `earlier`: files that the ledger has, which complete a set too (one of them may be corrected alone).
    """
    there: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in [*records, *earlier]:
        if one.feed and (key := _key(one, mappings)):
            there[one.tenant_id, key].add(one.feed)
    return [_unless_incomplete(one, there, mappings) for one in records]


def _unless_incomplete(
    one: FileRecord, there: dict[tuple[str, str], set[str]], mappings: dict[str, Mapping]
) -> FileRecord:
    key = _key(one, mappings) if one.status == "detected" else None
    if key is None:
        return one
    together = mappings[str(one.feed)].complete_with
    missing = sorted(set(together.feeds if together else []) - there[one.tenant_id, key])
    return replace(one, status="waiting", message=f"set {key}: no {', '.join(missing)} yet") if missing else one


def _key(one: FileRecord, mappings: dict[str, Mapping]) -> str | None:
    mapping = mappings.get(str(one.feed))
    if mapping is None or mapping.complete_with is None:
        return None
    hit = re.search(mapping.complete_with.key, one.path)
    return hit.group(1) if hit else None
