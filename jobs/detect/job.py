"""detect: find the complete files in landing, name their feed, and enter them in the ledger `ops.file`."""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import structlog
from pyspark.sql import SparkSession

from jobs.detect import containers, drift, landing, manifests, recognise
from jobs.detect.formats import FormatError, as_lines
from jobs.platform.errors import DietzError
from jobs.platform.ledger import FileRecord, Run
from jobs.platform.mapping import Mapping, load_mappings, mapping_version
from jobs.platform.mapping_reader import CONVERTED
from jobs.platform.settings import Settings

log = structlog.get_logger()


def run(spark: SparkSession | None, settings: Settings, run: Run) -> dict[str, int | str]:
    """Enter every new complete file of the run's tenants; returns how many files got which status.

    A file is new if its path, size or time is; a file that no mapping recognised, or whose format could not be read,
    is looked at again when the mappings have changed. Spark is not used.
    """
    mappings = load_mappings()
    vendors = {one.vendor for one in mappings.values()}
    if run.vendor and run.vendor not in vendors:
        raise DietzError(f"no mapping has vendor '{run.vendor}'; vendors are {', '.join(sorted(vendors))}")
    every = landing.tenants(settings.landing)
    if run.tenant and run.tenant not in every:
        raise DietzError(f"no folder landing/{run.tenant}; tenants are {', '.join(every) or '(none)'}")
    counts = {"files": 0, "detected": 0, "duplicate": 0, "unrecognised": 0, "refused": 0, "waiting": 0}
    for tenant_id in [run.tenant] if run.tenant else every:
        for record in _new_records(settings, run, tenant_id, mappings):
            counts["files"] += 1
            counts[record.status] += 1
    return dict(counts)


def _new_records(settings: Settings, run: Run, tenant_id: str, mappings: dict[str, Mapping]) -> list[FileRecord]:
    known = run.ledger.seen_paths(tenant_id)
    looked_at = {(path, seen) for (path, _), seen in known.items()}
    waiting = {
        one.file_id: one.path
        for one in _undecided_by_older_mappings(run, tenant_id)
        if known[one.path, one.member] == (one.size_bytes, one.modified_at)
    }
    again = set(waiting.values())
    everything = landing.deliveries(settings.landing, tenant_id)
    sent = manifests.sent_with(everything)
    fresh = [
        one
        for one in everything
        if not manifests.is_manifest(one.path)
        and ((one.relative, (one.size_bytes, one.modified_at)) not in looked_at or one.relative in again)
    ]
    still_growing = landing.growing(
        [one for one in fresh if landing.why_incomplete(one) is None], settings.conf.file_settle_seconds
    )
    records: list[FileRecord] = []
    for one in fresh:
        by_manifest = sent.get(one.relative)
        why = landing.why_incomplete(one) or ("still growing" if one.relative in still_growing else None)
        why = why or (by_manifest.waits if by_manifest else None)
        if why:
            log.warning("file_waits", tenant_id=tenant_id, file=one.relative, reason=why)
            records.append(_record(run.run_no, one, "", "", "waiting", message=why))
            continue
        for record in examined(settings, run.run_no, one, mappings):
            if run.vendor and record.vendor not in (None, run.vendor):
                continue  # left for the run of its vendor
            seen = known.get((one.relative, record.member)) == (one.size_bytes, one.modified_at)
            if seen and record.file_id not in waiting:
                continue  # another member of an archive, which was taken
            records.append(manifests.as_sent(_unless_it_waits(one, record, mappings), by_manifest, mappings))
    if any(mapping.complete_with for mapping in mappings.values()):
        records = manifests.complete_sets(records, run.ledger.files(), mappings)
    records = _with_changes(run, tenant_id, records, mappings)
    originals = run.ledger.known_contents(tenant_id, [one.sha256 for one in records if one.sha256])
    entered: list[FileRecord] = []
    for found in records:
        record = found
        if record.status == "detected":
            original = originals.setdefault(str(record.sha256), record.file_id)
            if original != record.file_id:
                record = replace(record, status="duplicate", message=f"same content as file {original}")
        _log_verdict(record)
        entered.append(record)
    # A waiting file is not entered: the next run looks at it afresh.
    run.ledger.register_files([one for one in entered if one.status != "waiting" and one.file_id not in waiting])
    run.ledger.update_files({one.file_id: _verdict(one) for one in entered if one.file_id in waiting})
    return entered


def _unless_it_waits(one: landing.Delivery, record: FileRecord, mappings: dict[str, Mapping]) -> FileRecord:
    marker = mappings[str(record.feed)].marker if record.status == "detected" else None
    if marker is None or landing.has_marker(one.path, (marker,)):
        return record
    return replace(record, status="waiting", message=f"{record.feed} is complete with its marker {marker}")


def _with_changes(
    run: Run, tenant_id: str, records: list[FileRecord], mappings: dict[str, Mapping]
) -> list[FileRecord]:
    """Notes in what way each file's titles are not those of the feed's file before it."""
    before: dict[str, list[str]] = {}
    noted = []
    for record in records:
        header, feed = (record.detection or {}).get("header"), str(record.feed)
        if record.status != "detected" or not header:
            noted.append(record)
            continue
        if feed not in before:
            before[feed] = run.ledger.last_header(tenant_id, feed)
        changes = drift.title_changes(header, before[feed], mappings[feed]) if before[feed] else []
        noted.append(replace(record, detection={**record.detection, "changes": changes}) if changes else record)
        before[feed] = header
    return noted


def _verdict(record: FileRecord) -> dict[str, object]:
    """What a second look at a file changes in its ledger row."""
    names = ("vendor", "feed", "mapping_version", "business_date", "status", "run_no", "detection", "lines", "message")
    return {name: getattr(record, name) for name in names}


def examined(settings: Settings, run_no: int, one: landing.Delivery, mappings: dict[str, Mapping]) -> list[FileRecord]:
    """What a file is, for the ledger: a record for it, each member of an archive, or each sheet of a workbook."""
    try:
        with containers.decrypted(one.path, settings.conf.decrypt) as path:
            found = [_recognised(run_no, one, path, content, mappings) for content in landing.contents(path)]
            is_workbook = containers.is_workbook(path)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        return [_record(run_no, one, "", "", "unrecognised", message=f"damaged archive: {error}")]
    except FormatError as error:
        return [_record(run_no, one, "", "", "unrecognised", message=str(error))]
    except UnicodeError as error:
        return [_record(run_no, one, "", "", "unrecognised", message=f"begins as UTF-16 and is not: {error}")]
    except Exception as error:  # whatever a library makes of a damaged file: the night goes on without it
        log.warning("file_breaks_its_reader", file=one.relative, exc_info=True)
        why = f"cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return [_record(run_no, one, "", "", "unrecognised", message=why)]
    if is_workbook and any(record.status == "detected" for record in found):
        # A workbook's cover and look-up sheets are no deliveries.
        found = [record for record in found if record.status != "unrecognised"]
    return found


def _recognised(
    run_no: int, one: landing.Delivery, path: Path, content: landing.Content, mappings: dict[str, Mapping]
) -> FileRecord:
    name = content.member.rsplit("/", 1)[-1] or one.path.name
    verdict = recognise.recognise(name, content.head, mappings, content.encoding)
    detection: dict[str, object] = {
        "candidates": [{"feed": c.feed, "score": c.score, "reasons": c.reasons} for c in verdict.candidates[:3]],
        "mappings": mappings_fingerprint(),
    }
    base = _record(run_no, one, content.member, content.sha256, "unrecognised", message=verdict.message)
    base = replace(base, lines=content.lines, size_bytes=one.size_bytes, detection=detection)
    if verdict.candidate is None:
        return _error_document(base, content, mappings) or base
    mapping = mappings[verdict.candidate.feed]
    encoding = content.encoding or mapping.reader.encoding
    lines = recognise.first_lines(content.head, encoding) or []
    header = verdict.candidate.header
    if mapping.format in CONVERTED and mapping.format != "workbook":
        try:
            count, lines = _converted(path, content, mapping)
        except FormatError as error:
            return replace(base, vendor=mapping.vendor, feed=mapping.feed, status="refused", message=str(error))
        base, header = replace(base, lines=count), []
    context = {
        key: value
        for key, capture in mapping.context.items()
        if capture.source != "section" and (value := recognise.captured(capture, lines, name, one.relative)) is not None
    }
    for key, capture in mapping.context.items():
        if capture.source != "section" and key not in context:
            place = {"file_name": "name", "path": "path"}.get(capture.source, "first lines")
            return replace(base, message=f"{mapping.feed}: no {key} in the file's {place} (expected {capture.match})")
    business_date = recognise.business_date(mapping, context)
    absent = mapping.absent_titles(header)
    if absent:
        lacking = "; ".join(f"no title '{title}', which {column} is read from" for column, title in absent)
        return replace(base, vendor=mapping.vendor, feed=mapping.feed, status="refused", message=lacking)
    header = drift.in_force(header, mapping, business_date)
    unknown = [t for t in header if t and not mapping.knows_title(t)]
    detection |= {
        "header_line": verdict.candidate.header_line,
        "header": header,
        "context": context,
        "drift": unknown if mapping.has_header_line or mapping.format == "parquet" else [],
        "name": name,
        "encoding": "utf-8" if mapping.format in CONVERTED else encoding,
    }
    return replace(
        base,
        vendor=mapping.vendor,
        feed=mapping.feed,
        mapping_version=mapping.version,
        business_date=business_date,
        status="detected",
        detection=detection,
        message="",
    )


def _error_document(base: FileRecord, content: landing.Content, mappings: dict[str, Mapping]) -> FileRecord | None:
    """The record of a file that holds a vendor's error message in place of data; None where it is none."""
    for mapping in mappings.values():
        if mapping.error_document is None:
            continue
        lines = recognise.first_lines(content.head, content.encoding or mapping.reader.encoding) or []
        hit = next((one for line in lines if (one := re.search(mapping.error_document, line))), None)
        if hit:
            said = f"an error message in place of data: {hit.group(1) if hit.groups() else hit.group()}"
            return replace(base, vendor=mapping.vendor, feed=mapping.feed, status="refused", message=said)
    return None


def _converted(path: Path, content: landing.Content, mapping: Mapping) -> tuple[int, list[str]]:
    """(number of lines, the first ones) that the file's format makes of it. Raises FormatError."""
    first: list[str] = []
    count = 0
    with containers.open_member(path, content.member) as stream:
        for line in as_lines(stream, content.member, mapping):
            count += 1
            if count <= landing.FIRST_LOOK_LINES:
                first.append(line)
    return count, first


def mappings_fingerprint() -> str:
    """Changes whenever any mapping does."""
    versions = ",".join(mapping_version(feed) for feed in sorted(load_mappings()))
    return hashlib.sha256(versions.encode()).hexdigest()[:12]


def _undecided_by_older_mappings(run: Run, tenant_id: str) -> list[FileRecord]:
    """Files that no mapping recognised, or whose format could not be read, when other mappings were in force."""
    now = mappings_fingerprint()
    return [
        one
        for one in run.ledger.files(status=["unrecognised", "refused"])
        if one.tenant_id == tenant_id and one.records is None and (one.detection or {}).get("mappings") != now
    ]


def _record(run_no: int, one: landing.Delivery, member: str, sha256: str, status: str, *, message: str) -> FileRecord:
    return FileRecord(
        file_id=_file_id(one.tenant_id, one.relative, member, one.modified_at.isoformat(), sha256),
        tenant_id=one.tenant_id,
        path=one.relative,
        member=member,
        size_bytes=one.size_bytes,
        modified_at=one.modified_at,
        sha256=sha256,
        vendor=None,
        feed=None,
        mapping_version=None,
        business_date=None,
        status=status,
        run_no=run_no,
        arrival_no=0,
        detection={},
        message=message,
    )


def _file_id(*identity: str) -> str:
    return "f" + hashlib.sha256("\n".join(identity).encode()).hexdigest()[:15]


def _log_verdict(record: FileRecord) -> None:
    facts = {"file_id": record.file_id, "file": record.path, "member": record.member, "tenant_id": record.tenant_id}
    if record.status == "detected":
        log.info("file_detected", feed=record.feed, **facts)
        for title in (record.detection or {}).get("drift", []):
            log.warning("title_unknown", feed=record.feed, column=title, **facts)
        for change in (record.detection or {}).get("changes", []):
            log.warning("titles_changed", feed=record.feed, change=change, **facts)
    elif record.status != "waiting":
        log.warning(f"file_{record.status}", reason=record.message, **facts)


def look(settings: Settings, path: Path) -> list[FileRecord]:
    """What a run would enter in the ledger for one file, wherever it lies: nothing is entered, no ledger is asked."""
    stat = path.stat()
    one = landing.Delivery("", path, path.resolve().as_posix(), stat.st_size, landing.modified(stat))
    why = landing.why_incomplete(one)
    return [_record(0, one, "", "", "waiting", message=why)] if why else examined(settings, 0, one, load_mappings())


if __name__ == "__main__":
    from jobs.cli.step import submit

    submit("detect")
