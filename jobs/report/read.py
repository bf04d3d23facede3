"""What the report knows of a night: read from the marts and the ledger as one consistent picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from jobs.platform.errors import ConfigError
from jobs.platform.ledger import UNFINISHED
from jobs.publish.status import FEEDS as FEEDS_OF_NIGHT
from jobs.publish.status import unchanging_feeds
from jobs.report.largest import CURRENCY, LARGEST_FIRST, VALUED

Row = dict[str, Any]

TOP = 25
PROBLEMS = ("refused", "unrecognised", "withheld", "waiting")
# Of ops.file f: nothing has come in its place. The same content once more is nothing, but that of an accepted file is.
IN_PLACE = """NOT EXISTS (SELECT FROM ops.file later WHERE later.tenant_id = f.tenant_id AND later.path = f.path
                  AND later.member = f.member AND later.arrival_no > f.arrival_no AND (
                      later.status <> 'duplicate' OR EXISTS (
                          SELECT FROM ops.file o WHERE o.tenant_id = later.tenant_id AND o.sha256 = later.sha256
                          AND o.status = 'accepted')))"""


@dataclass(frozen=True)
class Listing:
    """The first rows of a list that may be long, and how long it is."""

    rows: list[Row]
    total: int

    @property
    def more(self) -> int:
        return self.total - len(self.rows)


@dataclass(frozen=True)
class Night:
    """Everything that the page says in words and tables about one business date."""

    business_date: date
    status: list[Row]
    overdue: list[Row]
    runs: list[Row]
    steps: list[Row]
    failures: list[Row]
    breaks: Listing
    breaks_by_type: list[Row]
    breaks_cleared: int
    changes: Listing
    changes_by_kind: list[Row]
    acceptances_ending: int
    held: Listing
    accounts_held: int
    flagged: int
    quarantined: Listing
    quarantine_reasons: Listing
    files: Listing
    files_by_source: list[Row]
    feeds: Listing
    rules: Listing
    rules_checked: int
    rules_by_severity: dict[str, int]

    @property
    def run(self) -> Row | None:
        """The newest run of the night."""
        return self.runs[-1] if self.runs else None

    @property
    def accounts_published(self) -> int:
        # The count is the tenant's, repeated on each of its sources.
        return sum({row["tenant_id"]: row["published"] for row in self.status}.values())


def read_night(connection: psycopg.Connection, business_date: date, bands: Mapping[str, int]) -> Night:
    """Read a night. The caller's transaction should be of one snapshot (REPEATABLE READ).

    bands: the place of each band of breaks by materiality, 0 the largest (`largest.bands`).
    """
    reader = _Reader(connection, business_date)
    reader.names["bands"] = Jsonb(dict(bands))
    runs = reader.all(RUNS)
    reader.names["runs"] = [run["run_no"] for run in runs]
    reader.names["run_ids"] = [run["run_id"] for run in runs]
    reader.names["newest"] = runs[-1]["run_id"] if runs else ""
    checked = reader.all("SELECT count(*) AS total FROM marts.data_quality_result WHERE run_no = ANY (%(runs)s)")
    flagged = reader.all(
        "SELECT count(DISTINCT (tenant_id, account_id)) AS total FROM marts.held_account"
        " WHERE state = 'flagged' AND run_id = ANY (%(run_ids)s)"
    )
    cleared = reader.all(
        "SELECT count(*) AS total FROM marts.reconciliation_break"
        " WHERE state = 'resolved' AND run_id = ANY (%(run_ids)s)"
    )
    return Night(
        business_date=business_date,
        status=reader.all(STATUS),
        overdue=reader.all(OVERDUE),
        runs=runs,
        steps=reader.all(STEPS),
        failures=reader.all(FAILURES),
        breaks=reader.listing(BREAKS),
        breaks_by_type=reader.all(BREAKS_BY_TYPE),
        breaks_cleared=cleared[0]["total"],
        changes=reader.listing(CHANGES),
        changes_by_kind=reader.all(CHANGES_BY_KIND),
        acceptances_ending=reader.all(ACCEPTANCES_ENDING)[0]["total"],
        held=reader.listing(HELD),
        accounts_held=reader.all(ACCOUNTS_HELD)[0]["total"],
        flagged=flagged[0]["total"],
        quarantined=reader.listing(QUARANTINED),
        quarantine_reasons=reader.listing(QUARANTINE_REASONS),
        files=reader.listing(FILES),
        files_by_source=reader.all(FILES_BY_SOURCE),
        feeds=reader.listing(FEEDS, limit=200),
        rules=reader.listing(RULES),
        rules_checked=checked[0]["total"],
        rules_by_severity={row["severity"]: row["rules"] for row in reader.all(RULES_BY_SEVERITY)},
    )


def asked_of_overdue(business_date: date) -> dict[str, Any]:
    """The parameters of OVERDUE for a night of all tenants."""
    try:
        unchanging = unchanging_feeds()
    except ConfigError:  # what stops the run must not stop its message
        unchanging = []
    night = {"date": business_date, "night": business_date, "tenants": None, "looked_for": True}
    return night | {"unfinished": UNFINISHED, "unchanging": unchanging}


class _Reader:
    """Runs the queries below with the night's parameters."""

    def __init__(self, connection: psycopg.Connection, business_date: date) -> None:
        self.cursor = connection.cursor(row_factory=dict_row)
        self.names = asked_of_overdue(business_date) | {"problems": list(PROBLEMS)}

    def all(self, query: str) -> list[Row]:
        return self.cursor.execute(query, self.names).fetchall()

    def listing(self, query: str, limit: int = TOP) -> Listing:
        """The first rows of an ordered query; each carries `total`, the number of rows without the limit."""
        rows = self.cursor.execute(query + " LIMIT %(limit)s", {**self.names, "limit": limit}).fetchall()
        return Listing(rows, rows[0]["total"] if rows else 0)


STATUS = """
SELECT tenant_id, source, expected, received, reconciled, held, published, may_read, reason, published_at
FROM marts.night_status WHERE business_date = %(date)s ORDER BY tenant_id, source
"""

# The feeds that the night's status calls not received, also of a night that was not published; where it has runs, only
# what one of them has looked for (looked_for: true), and not what one has found and was stopped with.
OVERDUE = f"""
WITH {FEEDS_OF_NIGHT}
SELECT tenant_id, source, feed, nights AS came, of_nights AS nights FROM feed f WHERE missed
AND NOT EXISTS (
    SELECT FROM ops.file o JOIN ops.run r USING (run_no) WHERE r.business_date = %(date)s
    AND (o.tenant_id, o.vendor, o.feed) = (f.tenant_id, f.source, f.feed) AND o.status = ANY (%(unfinished)s))
AND (NOT %(looked_for)s OR NOT EXISTS (SELECT FROM ops.run WHERE business_date = %(date)s) OR EXISTS (
    SELECT FROM ops.run r WHERE r.business_date = %(date)s
    AND coalesce(r.tenant, f.tenant_id) = f.tenant_id AND coalesce(r.vendor, f.source) = f.source
    AND EXISTS (SELECT FROM ops.step_run s WHERE s.run_id = r.run_id AND s.step = 'detect' AND s.status = 'done')))
ORDER BY tenant_id, source, feed
"""  # noqa: S608

RUNS = """
SELECT run_id, run_no, status, started_at, ended_at, code_version, tenant, vendor, from_date,
       extract(epoch FROM ended_at - started_at)::float AS seconds
FROM ops.run WHERE business_date = %(date)s ORDER BY run_no
"""

STEPS = """
WITH took AS (
    SELECT s.run_id, s.step, min(s.started_at) AS started_at,
           (array_agg(s.status ORDER BY s.attempt DESC))[1] AS status,
           (array_agg(s.details ->> 'error' ORDER BY s.attempt DESC))[1] AS error, max(s.attempt) AS attempts,
           sum(extract(epoch FROM s.ended_at - s.started_at))::float AS seconds
    FROM ops.step_run s GROUP BY s.run_id, s.step
), usual AS (
    SELECT t.step, percentile_cont(0.5) WITHIN GROUP (ORDER BY t.seconds) AS usual
    FROM took t JOIN (SELECT run_id FROM ops.run WHERE status = 'done' AND business_date < %(date)s
                      ORDER BY run_no DESC LIMIT 20) r USING (run_id) GROUP BY t.step
)
SELECT took.step, took.status, took.error, took.attempts, took.seconds, usual.usual
FROM took LEFT JOIN usual USING (step) WHERE run_id = %(newest)s ORDER BY took.started_at
"""

# Runs of the date that failed, or were killed, and whose work no later run of all their tenants and vendors has done.
UNMENDED = """
unmended AS (
    SELECT r.run_id, r.run_no FROM ops.run r
    CROSS JOIN LATERAL (
        SELECT count(*) AS after, count(*) FILTER (
            WHERE coalesce(later.tenant, r.tenant) IS NOT DISTINCT FROM r.tenant
            AND coalesce(later.vendor, r.vendor) IS NOT DISTINCT FROM r.vendor) AS as_wide
        FROM ops.run later JOIN ops.step_run s USING (run_id)
        WHERE later.business_date = r.business_date AND later.run_no > r.run_no
        AND s.step = 'publish' AND s.status = 'done'
    ) done
    WHERE r.business_date = %(date)s AND done.as_wide = 0
    AND (r.status = 'failed' OR r.status = 'running' AND done.after > 0 AND NOT EXISTS (
        SELECT FROM ops.publication p WHERE p.run_id = r.run_id))
)"""

# With the steps that they came to no end with; step is NULL where a run was killed between two.
FAILURES = f"""
WITH {UNMENDED}, last AS (
    SELECT DISTINCT ON (run_id, step) run_id, step, status, details ->> 'error' AS error, started_at
    FROM ops.step_run JOIN unmended USING (run_id) ORDER BY run_id, step, attempt DESC
)
SELECT u.run_id, l.step, l.error FROM unmended u LEFT JOIN last l ON l.run_id = u.run_id AND l.status <> 'done'
ORDER BY u.run_no, l.started_at
"""  # noqa: S608

# Open ones as far as they were known on the night, the largest first.
BREAKS = f"""
SELECT b.tenant_id, b.account_id, b.as_of_date, b.through_date, b.source_vendor, b.type, b.item, b.ours, b.theirs,
       b.difference, b.difference_bps, b.severity, b.first_seen_on, b.reopened_on = %(date)s AS is_reopened, b.reason,
       b.owner, b.materiality, coalesce(b.age_days, %(date)s::date - b.first_seen_on) AS age_days,
       {CURRENCY} AS currency, b.total
FROM (SELECT *, count(*) OVER () AS total FROM marts.reconciliation_break
      WHERE state = 'open' AND first_seen_on <= %(date)s) b
{VALUED} ORDER BY {LARGEST_FIRST}
"""  # noqa: S608

# What came into another state on the night; a break that opened and was explained the same night is explained.
CHANGED = """
SELECT *, CASE WHEN state = 'open' AND reopened_on = %(date)s THEN 'opened again' WHEN state = 'open' THEN 'opened'
               ELSE state END AS kind
FROM marts.reconciliation_break WHERE changed_on = %(date)s AND state <> 'not_comparable'
"""

CHANGES = f"""
SELECT kind, b.tenant_id, b.account_id, b.as_of_date, source_vendor, type, item, difference, difference_bps, reason,
       coalesce(accepted_by, owner) AS who, count(*) OVER () AS total
FROM ({CHANGED}) b {VALUED} WHERE kind <> 'opened'
ORDER BY array_position(ARRAY['opened again', 'resolved', 'explained', 'accepted'], kind), {LARGEST_FIRST}
"""  # noqa: S608

CHANGES_BY_KIND = f"""
SELECT kind, count(*) AS breaks FROM ({CHANGED}) changed GROUP BY kind
ORDER BY array_position(ARRAY['opened', 'opened again', 'resolved', 'explained', 'accepted'], kind)
"""  # noqa: S608

ACCEPTANCES_ENDING = """
SELECT count(*) AS total FROM marts.reconciliation_break
WHERE state = 'accepted' AND accepted_until BETWEEN %(date)s AND %(date)s::date + 6
"""

BREAKS_BY_TYPE = """
SELECT type, count(*) FILTER (WHERE first_seen_on = %(date)s) AS tonight,
       count(*) FILTER (WHERE first_seen_on < %(date)s) AS older
FROM marts.reconciliation_break WHERE state = 'open' AND first_seen_on <= %(date)s
GROUP BY type ORDER BY count(*) DESC, type
"""

HELD = """
SELECT tenant_id, account_id, as_of_date, rule, reason, count(*) OVER () AS total
FROM marts.held_account WHERE state = 'held' AND as_of_date <= %(date)s
ORDER BY as_of_date DESC, tenant_id, account_id, rule
"""

ACCOUNTS_HELD = """
SELECT count(DISTINCT (tenant_id, account_id)) AS total FROM marts.held_account
WHERE state = 'held' AND as_of_date <= %(date)s
"""

QUARANTINED = """
SELECT q.tenant_id, q.feed, f.path, f.member, q.line_no, q.target, q.failed_rules::jsonb AS failed, q.waits_for,
       q.run_no = ANY (%(runs)s) AS is_tonight, count(*) OVER () AS total
FROM marts.quarantined_row q LEFT JOIN ops.file f USING (file_id) LEFT JOIN ops.run r ON r.run_no = q.run_no
WHERE q.state = 'open' AND coalesce(r.business_date, %(date)s) <= %(date)s
ORDER BY q.run_no DESC, q.tenant_id, f.path, q.line_no, q.record_no
"""

QUARANTINE_REASONS = """
SELECT q.tenant_id, q.feed, q.failed_rules::jsonb -> 0 ->> 'rule' AS rule,
       q.failed_rules::jsonb -> 0 ->> 'column' AS column_name, count(*) AS rows,
       count(*) FILTER (WHERE q.run_no = ANY (%(runs)s)) AS tonight, count(q.waits_for) AS waiting,
       count(DISTINCT q.file_id) AS files, count(*) OVER () AS total
FROM marts.quarantined_row q LEFT JOIN ops.run r ON r.run_no = q.run_no
WHERE q.state = 'open' AND coalesce(r.business_date, %(date)s) <= %(date)s
GROUP BY 1, 2, 3, 4 ORDER BY count(*) DESC, 1, 2, 3, 4
"""

FILES = f"""
SELECT tenant_id, path, member, size_bytes, vendor, feed, status, message, registered_at, detection,
       coalesce(run_no = ANY (%(runs)s), false) AS is_tonight, count(*) OVER () AS total
FROM ops.file f
WHERE status = ANY (%(problems)s) AND {IN_PLACE}
ORDER BY coalesce(run_no = ANY (%(runs)s), false) DESC, array_position(%(problems)s::text[], status), tenant_id, path
"""  # noqa: S608

# The path only where it is one file.
FILES_BY_SOURCE = f"""
SELECT tenant_id, vendor, status, count(*) AS files, min(path) AS path
FROM ops.file f WHERE status = ANY (%(problems)s) AND {IN_PLACE} GROUP BY 1, 2, 3
"""  # noqa: S608

FEEDS = """
SELECT tenant_id, vendor, feed, count(*) AS files, sum(lines) AS lines, sum(records) AS records,
       sum(silver) AS silver, sum(quarantined) AS quarantined, sum(skipped) AS skipped, sum(size_bytes) AS size_bytes,
       count(*) OVER () AS total
FROM ops.file WHERE run_no = ANY (%(runs)s) AND feed IS NOT NULL
GROUP BY tenant_id, vendor, feed ORDER BY tenant_id, vendor, feed
"""

RULES = """
SELECT tenant_id, feed, table_name, rule, column_name, severity, observed, expected_value, rows_checked, rows_failed,
       count(*) OVER () AS total
FROM marts.data_quality_result WHERE run_no = ANY (%(runs)s) AND NOT success
ORDER BY array_position(ARRAY['fail', 'hold', 'warn'], severity), rows_failed DESC, tenant_id, feed, rule, column_name
"""

RULES_BY_SEVERITY = """
SELECT severity, count(*) AS rules FROM marts.data_quality_result
WHERE run_no = ANY (%(runs)s) AND NOT success GROUP BY severity
"""


def tenants_by_size(status: Sequence[Row]) -> list[str]:
    """The night's tenants, the one with most accounts first."""
    published = {row["tenant_id"]: row["published"] for row in status}
    return sorted(published, key=lambda tenant: (-published[tenant], tenant))
