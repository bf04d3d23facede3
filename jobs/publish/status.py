"""marts.night_status: per tenant and source what was expected, received, reconciled, held and published, and whether
another job may read the night: only where nothing is known against it."""

from __future__ import annotations

from datetime import date, datetime

import psycopg

from jobs.platform.mapping import load_mappings

STEPS = ["detect", "ingest", "normalise", "check", "calculate", "reconcile"]
UNCHANGING = {"account", "account_group_member", "account_xref", "security", "transaction"}
# What each feed of the last 31 days did on a night: `came`, `withheld`, `refused`, or `missed`: none of it, though it
# came on most of its tenant's nights since it came first, and not only once. tenants: NULL for all. unchanging:
# `unchanging_feeds`.
FEEDS = """
file AS (
    -- What came on its own evening, with a run of the day before, is of the night of its dates.
    -- What is as it was came too: with the content of a file that has no dates, of a feed that may stay the same, and
    -- that met the rules of the run that judged it.
    SELECT f.tenant_id, f.vendor, f.feed, r.business_date, run_no,
           CASE f.status WHEN 'duplicate' THEN 'accepted' ELSE f.status END AS status,
           coalesce(f.last_date <= r.business_date, false) AS own,
           coalesce(%(night)s BETWEEN f.first_date AND f.last_date, f.first_date IS NULL) AS may_be,
           r.business_date = %(night)s AND coalesce(f.first_date <= %(night)s, true)
           OR coalesce(r.business_date < f.first_date AND %(night)s BETWEEN f.first_date AND f.last_date, false)
           AS tonight
    FROM ops.file f JOIN ops.run r USING (run_no)
    WHERE f.vendor IS NOT NULL AND r.business_date BETWEEN %(night)s::date - 31 AND %(night)s AND (
        f.status = 'accepted'
        OR f.status = 'duplicate' AND EXISTS (
            SELECT FROM ops.file o WHERE o.tenant_id = f.tenant_id AND o.sha256 = f.sha256 AND o.status = 'accepted'
            AND o.arrival_no < f.arrival_no AND o.first_date IS NULL AND o.last_date IS NULL
            AND o.feed = ANY (%(unchanging)s) AND NOT EXISTS (
                SELECT FROM marts.data_quality_result q WHERE NOT q.success
                AND (q.tenant_id, q.vendor, q.feed) = (o.tenant_id, o.vendor, o.feed) AND q.run_no = (
                    SELECT min(j.run_no) FROM marts.data_quality_result j WHERE j.run_no >= o.run_no
                    AND (j.tenant_id, j.vendor, j.feed) = (o.tenant_id, o.vendor, o.feed))))
        OR f.status IN ('withheld', 'refused') AND NOT EXISTS (  -- mended on the same night
            SELECT FROM ops.file o JOIN ops.run n USING (run_no) WHERE o.tenant_id = f.tenant_id AND o.path = f.path
            AND o.member = f.member AND o.feed = f.feed AND o.arrival_no > f.arrival_no AND o.status = 'accepted'
            AND n.business_date IN (r.business_date, %(night)s) AND coalesce(
                o.first_date <= f.first_date AND o.last_date >= f.last_date,
                f.first_date IS NULL AND coalesce(o.first_date <= %(night)s, true))))
    AND (%(tenants)s::text[] IS NULL OR f.tenant_id = ANY (%(tenants)s))
), delivered AS (
    -- What has no dates, or earlier ones beside the night's, is of the night of what the vendor sent on that evening:
    -- with a run after all that took files of the day before, or in which the evening had begun.
    SELECT tenant_id, vendor, feed, run_no, business_date, status,
           tonight OR may_be AND bool_or(tonight) OVER sent AND (
               run_no > coalesce(max(run_no) FILTER (WHERE own) OVER sent, 0)
               OR run_no >= min(run_no) FILTER (WHERE tonight) OVER sent) AS tonight
    FROM file WINDOW sent AS (PARTITION BY tenant_id, vendor, business_date)
), feed AS (
    SELECT *, NOT (came OR withheld OR refused) AND nights > 1 AND nights * 2 > of_nights AS missed FROM (
        SELECT d.tenant_id, d.vendor AS source, d.feed, bool_or(d.tonight AND d.status = 'accepted') AS came,
               bool_or(d.tonight AND d.status = 'withheld') AS withheld,
               bool_or(d.tonight AND d.status = 'refused') AS refused,
               count(DISTINCT d.business_date) FILTER (WHERE d.business_date < %(night)s) AS nights,
               (SELECT count(DISTINCT n.business_date) FROM delivered n WHERE n.tenant_id = d.tenant_id
                AND n.business_date >= min(d.business_date) AND n.business_date < %(night)s) AS of_nights
        FROM delivered d GROUP BY d.tenant_id, d.vendor, d.feed
    ) one
)"""
NIGHT_STATUS = f"""
WITH {FEEDS}, source AS (
    SELECT tenant_id, vendor AS source, count(DISTINCT feed) AS expected,
           count(DISTINCT feed) FILTER (WHERE tonight AND status = 'accepted') AS received
    FROM delivered GROUP BY tenant_id, vendor
), against AS (
    SELECT tenant_id, source,
           'not received: ' || string_agg(feed, ', ' ORDER BY feed) FILTER (WHERE missed) AS missed,
           'withheld by the gate: ' || string_agg(feed, ', ' ORDER BY feed) FILTER (WHERE withheld) AS withheld,
           'refused: ' || string_agg(feed, ', ' ORDER BY feed) FILTER (WHERE refused) AS refused
    FROM feed GROUP BY tenant_id, source
), miscounted AS (
    -- Of several deliveries of a night one that is whole is enough: the others correct it.
    SELECT tenant_id, source, 'unusual number of rows: ' || string_agg(DISTINCT feed, ', ' ORDER BY feed) AS feeds
    FROM (
        SELECT q.tenant_id, q.vendor AS source, q.feed
        FROM marts.data_quality_result q
        WHERE q.rule = ANY (%(row_counts)s) AND EXISTS (
            SELECT FROM delivered d WHERE d.tonight AND d.status = 'accepted'
            AND (d.tenant_id, d.vendor, d.feed, d.run_no) = (q.tenant_id, q.vendor, q.feed, q.run_no))
        GROUP BY q.tenant_id, q.vendor, q.feed, q.table_name, q.rule HAVING NOT bool_or(q.success)
    ) missed GROUP BY tenant_id, source
), step AS (
    -- Of a run that only publishes, the night's own steps were another run's.
    SELECT 'did not run: ' || string_agg(w.step, ', ' ORDER BY w.place) AS missing
    FROM unnest(%(steps)s::text[]) WITH ORDINALITY w (step, place)
    WHERE NOT EXISTS (
        SELECT FROM ops.step_run s JOIN ops.run r USING (run_id) WHERE s.step = w.step AND s.status = 'done'
        AND (s.run_id = %(run_id)s OR r.business_date = %(night)s AND NOT EXISTS (
            SELECT FROM ops.step_run o WHERE o.run_id = %(run_id)s AND o.step <> 'publish')))
), published AS (
    SELECT tenant_id, count(*) AS accounts FROM marts.account_performance_daily
    WHERE as_of_date = %(night)s AND tenant_id = ANY (%(tenants)s) GROUP BY tenant_id
), held AS (
    SELECT tenant_id, count(DISTINCT account_id) AS accounts FROM (
        SELECT tenant_id, account_id FROM marts.held_account WHERE state = 'held'
        UNION ALL SELECT tenant_id, account_id FROM marts.restatement WHERE state IN ('waiting', 'approved')
    ) withheld GROUP BY tenant_id
), broken AS (
    SELECT b.tenant_id, b.source_vendor, count(DISTINCT b.account_id) AS accounts
    FROM marts.reconciliation_break b JOIN marts.account_performance_daily d
    ON d.tenant_id = b.tenant_id AND d.account_id = b.account_id AND d.as_of_date = %(night)s
    WHERE b.state = 'open' AND %(night)s BETWEEN b.as_of_date AND coalesce(b.through_date, b.as_of_date)
    GROUP BY b.tenant_id, b.source_vendor
), told AS (
    SELECT s.tenant_id, s.source, s.expected, s.received,
           coalesce(p.accounts, 0) - coalesce(b.accounts, 0) AS reconciled, coalesce(h.accounts, 0) AS held,
           coalesce(p.accounts, 0) AS published,
           concat_ws('; ', a.missed, a.withheld, a.refused, m.feeds,
               CASE WHEN p.accounts IS NULL THEN 'no account has a row of the date' END,
               h.accounts || CASE h.accounts WHEN 1 THEN ' account' ELSE ' accounts' END || ' withheld',
               t.missing) AS reason
    FROM source s CROSS JOIN step t LEFT JOIN published p USING (tenant_id) LEFT JOIN held h USING (tenant_id)
    LEFT JOIN against a USING (tenant_id, source) LEFT JOIN miscounted m USING (tenant_id, source)
    LEFT JOIN broken b ON b.tenant_id = s.tenant_id AND b.source_vendor = s.source
)
INSERT INTO marts.night_status AS known
    (tenant_id, business_date, source, expected, received, reconciled, held, published, may_read, reason, run_id,
     published_at)
SELECT tenant_id, %(night)s, source, expected, received, reconciled, held, published, reason = '', reason,
       %(run_id)s, %(published_at)s
FROM told
ON CONFLICT (tenant_id, business_date, source) DO UPDATE
SET (expected, received, reconciled, held, published, may_read, reason, run_id, published_at)
  = ROW (excluded.expected, excluded.received, excluded.reconciled, excluded.held, excluded.published,
         excluded.may_read, excluded.reason, excluded.run_id, excluded.published_at)
WHERE ROW (known.expected, known.received, known.reconciled, known.held, known.published, known.may_read, known.reason)
   IS DISTINCT FROM ROW (excluded.expected, excluded.received, excluded.reconciled, excluded.held, excluded.published,
                         excluded.may_read, excluded.reason)
"""  # noqa: S608


def unchanging_feeds() -> list[str]:
    """Feeds whose file of a night may be that of another byte by byte: lists without dates, and bookings alone, which
    there may be none of."""
    return [feed for feed, one in load_mappings().items() if {target.table for target in one.targets} <= UNCHANGING]


def write_night_status(
    connection: psycopg.Connection,
    tenants: list[str],
    night: date,
    run_id: str,
    published_at: datetime,
    *,
    row_counts: list[str],
) -> None:
    """Write the night's rows of these tenants; where the figures are as before, nothing changes.

    `row_counts`: the rules of that measure, which a feed must have met for the night to be read.
    """
    moment = {"tenants": tenants, "night": night, "run_id": run_id, "published_at": published_at}
    names = {"steps": STEPS, "row_counts": row_counts, "unchanging": unchanging_feeds()}
    connection.execute(NIGHT_STATUS, moment | names)
