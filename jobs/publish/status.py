"""marts.night_status: per tenant and source what was expected, received, reconciled, held and published."""

from __future__ import annotations

from datetime import date, datetime

import psycopg

NIGHT_STATUS = """
WITH delivered AS (
    SELECT f.tenant_id, f.vendor, f.feed, f.status = 'accepted' AND r.business_date = %(night)s AS tonight
    FROM ops.file f JOIN ops.run r USING (run_no)
    WHERE f.status IN ('accepted', 'withheld', 'refused') AND f.vendor IS NOT NULL
    AND r.business_date BETWEEN %(night)s::date - 31 AND %(night)s AND f.tenant_id = ANY (%(tenants)s)
), source AS (
    SELECT tenant_id, vendor AS source, count(DISTINCT feed) AS expected,
           count(DISTINCT feed) FILTER (WHERE tonight) AS received
    FROM delivered GROUP BY tenant_id, vendor
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
)
INSERT INTO marts.night_status AS known
    (tenant_id, business_date, source, expected, received, reconciled, held, published, run_id, published_at)
SELECT s.tenant_id, %(night)s, s.source, s.expected, s.received,
       coalesce(p.accounts, 0) - coalesce(b.accounts, 0), coalesce(h.accounts, 0), coalesce(p.accounts, 0),
       %(run_id)s, %(published_at)s
FROM source s LEFT JOIN published p USING (tenant_id) LEFT JOIN held h USING (tenant_id)
LEFT JOIN broken b ON b.tenant_id = s.tenant_id AND b.source_vendor = s.source
ON CONFLICT (tenant_id, business_date, source) DO UPDATE
SET (expected, received, reconciled, held, published, run_id, published_at)
  = ROW (excluded.expected, excluded.received, excluded.reconciled, excluded.held, excluded.published,
         excluded.run_id, excluded.published_at)
WHERE ROW (known.expected, known.received, known.reconciled, known.held, known.published)
   IS DISTINCT FROM ROW (excluded.expected, excluded.received, excluded.reconciled, excluded.held, excluded.published)
"""


def write_night_status(
    connection: psycopg.Connection, tenants: list[str], night: date, run_id: str, published_at: datetime
) -> None:
    """Write the night's rows of these tenants; where the figures are as before, nothing changes."""
    connection.execute(
        NIGHT_STATUS, {"tenants": tenants, "night": night, "run_id": run_id, "published_at": published_at}
    )
