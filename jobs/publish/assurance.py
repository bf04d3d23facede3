"""How far what is published can be relied on: which controls ran, and what stands against each group's rows.

Accounts are told by a view (`marts.account_assurance`), groups are written here, in the transaction of the publication
and for the dates concerned: those of new rows, and those of members whose breaks and flags have changed since.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

import psycopg

from jobs.check.tolerances import ANY, Rule, Tolerances
from jobs.reconcile.levels import LASTING

STALE = "stale_"  # how the measures begin that look for what stands still
WATCH = "stale_value"  # the one of them that every account has something for

RULES = """
INSERT INTO marts.assurance_rule AS known (rule, kind) SELECT unnest(%(rules)s::text[]), 'stale'
ON CONFLICT (rule) DO NOTHING"""

# A run that died before it was published has left rows that this one's controls have looked at.
CONTROLS = """
WITH covered AS (
    SELECT t.tenant_id, r.run_id FROM unnest(%(tenants)s::text[]) t (tenant_id)
    JOIN ops.run own ON own.run_id = %(run_id)s
    JOIN ops.run r ON r.run_id = own.run_id OR r.run_no < own.run_no AND r.run_no > coalesce(
        (SELECT max(o.run_no) FROM marts.run_control k JOIN ops.run o USING (run_id)
         WHERE k.tenant_id = t.tenant_id AND k.run_id <> own.run_id),
        (SELECT max(o.run_no) FROM ops.publication p JOIN ops.run o USING (run_id) WHERE o.run_no < own.run_no), 0)
), done AS (
    SELECT coalesce(array_agg(DISTINCT step), '{}') AS steps
    FROM ops.step_run WHERE run_id = %(run_id)s AND status = 'done'
), ahead AS (
    -- What came on its own evening was looked at by a run of the day before, which loaded it for this one to calculate.
    SELECT DISTINCT f.tenant_id, f.vendor, f.feed, f.run_no FROM ops.run own JOIN ops.file f ON f.run_no < own.run_no
    JOIN (SELECT k.tenant_id, max(o.business_date) AS published_through
          FROM marts.run_control k JOIN ops.run o USING (run_id)
          JOIN ops.run own ON own.run_id = %(run_id)s AND o.run_no < own.run_no
          WHERE o.vendor IS NULL OR o.vendor = own.vendor GROUP BY k.tenant_id) before USING (tenant_id)
    WHERE own.run_id = %(run_id)s AND f.tenant_id = ANY (%(tenants)s) AND f.status = 'accepted'
    AND f.last_date > published_through AND f.first_date <= own.business_date AND published_through < own.business_date
), missed AS (
    SELECT tenant_id, 'warned by the gate: ' || string_agg(DISTINCT rule || ' of ' || feed, ', ') AS rules FROM (
        SELECT tenant_id, rule, feed, success, severity
        FROM covered JOIN marts.data_quality_result USING (tenant_id, run_id)
        UNION ALL SELECT tenant_id, rule, feed, success, severity
        FROM ahead JOIN marts.data_quality_result USING (tenant_id, vendor, feed, run_no)
    ) looked_at WHERE NOT success AND severity = 'warn' GROUP BY tenant_id
), step (control, state, reason) AS (
    SELECT 'gate', CASE WHEN 'check' = ANY (steps) THEN 'ran' ELSE 'did_not_run' END, 'the gate did not run' FROM done
    UNION ALL
    SELECT 'staleness', CASE WHEN 'check' = ANY (steps) THEN 'ran' ELSE 'did_not_run' END,
           'nobody looked for values and prices that stand still' FROM done
    UNION ALL
    SELECT 'reconciliation', CASE WHEN 'reconcile' = ANY (steps) THEN 'ran' ELSE 'did_not_run' END,
           'the reconciliation did not run' FROM done
), control (tenant_id, control, state, reason) AS (
    SELECT t.tenant_id, s.control,
           CASE WHEN u.unwatched THEN 'not_asked' WHEN w.rules IS NOT NULL THEN 'warned' ELSE s.state END,
           CASE WHEN u.unwatched THEN 'no rule looks for values of every account that stand still'
                ELSE coalesce(w.rules, s.reason) END
    FROM unnest(%(tenants)s::text[]) t (tenant_id) CROSS JOIN step s
    LEFT JOIN missed w ON w.tenant_id = t.tenant_id AND s.control = 'gate' AND s.state = 'ran'
    CROSS JOIN LATERAL (SELECT s.control = 'staleness' AND t.tenant_id <> ALL (%(watched)s::text[])) u (unwatched)
    UNION ALL
    SELECT t.tenant_id, 'comparison', CASE WHEN r.compared > 0 THEN 'ran' ELSE 'nothing_there' END,
           'nobody''s figures to compare with'
    FROM unnest(%(tenants)s::text[]) t (tenant_id)
    LEFT JOIN ops.run_comparison r ON r.tenant_id = t.tenant_id AND r.run_id = %(run_id)s
)
INSERT INTO marts.run_control AS known (tenant_id, run_id, control, state, reason, published_at)
SELECT tenant_id, run_id, control, state, CASE state WHEN 'ran' THEN '' ELSE reason END, %(published_at)s
FROM control JOIN covered USING (tenant_id)
ON CONFLICT (tenant_id, run_id, control) DO UPDATE
SET (state, reason, published_at) = ROW (excluded.state, excluded.reason, excluded.published_at)
WHERE ROW (known.state, known.reason) IS DISTINCT FROM ROW (excluded.state, excluded.reason)"""

# Exceptions are few and members many, so this begins with the exceptions of the dates concerned.
GROUPS = """
WITH since AS MATERIALIZED (
    SELECT t.tenant_id, coalesce(max(k.published_at), '-infinity') AS at FROM unnest(%(tenants)s::text[]) t (tenant_id)
    LEFT JOIN marts.run_control k ON k.tenant_id = t.tenant_id AND k.published_at < %(published_at)s GROUP BY 1
), passed_over AS MATERIALIZED (
    -- What a run that died has left, a run of other tenants has published, and said nothing of it.
    SELECT s.tenant_id, k.run_id, s.at FROM since s
    JOIN marts.run_control k ON k.tenant_id = s.tenant_id AND k.published_at = %(published_at)s AND k.control = 'gate'
    JOIN ops.run dead ON dead.run_id = k.run_id AND coalesce(dead.tenant, s.tenant_id) = s.tenant_id
    WHERE k.run_id <> %(run_id)s
    AND s.at < (SELECT max(published_at) FROM ops.publication WHERE published_at < %(published_at)s)
), changed AS (
    -- A level that goes on, but not on its last dates any more, was seen on them.
    SELECT b.tenant_id, b.account_id, b.as_of_date AS from_date, greatest(coalesce(b.through_date, b.as_of_date),
           CASE WHEN b.type = ANY (%(lasting)s) THEN b.last_seen_on END) AS to_date
    FROM marts.reconciliation_break b JOIN since s ON s.tenant_id = b.tenant_id AND b.published_at > s.at
    UNION ALL SELECT h.tenant_id, h.account_id, h.as_of_date, h.as_of_date
    FROM marts.held_account h JOIN since s ON s.tenant_id = h.tenant_id AND h.published_at > s.at
    UNION ALL SELECT u.tenant_id, u.account_id, u.as_of_date, u.as_of_date
    FROM marts.uncompared_day u JOIN since s ON s.tenant_id = u.tenant_id AND u.published_at > s.at
    UNION ALL SELECT t.tenant_id, t.account_id, t.from_date, coalesce(t.last_date, 'infinity')
    FROM marts.restatement t JOIN since s ON s.tenant_id = t.tenant_id AND t.published_at > s.at
    WHERE t.account_id IS NOT NULL
), concerned AS MATERIALIZED (
    SELECT g.tenant_id, g.group_type, g.group_id, g.as_of_date, g.run_id, g.currency, g.carried_members,
           abs(g.end_market_value) AS worth,
           CASE WHEN g.carried_members > 0 THEN abs(coalesce(g.carried_value, g.end_market_value)) END AS carried
    FROM marts.group_performance_daily g
    WHERE g.tenant_id = ANY (%(tenants)s) AND g.as_of_date = ANY (%(dates)s) AND g.published_at = %(published_at)s
    UNION
    SELECT g.tenant_id, g.group_type, g.group_id, g.as_of_date, g.run_id, g.currency, g.carried_members,
           abs(g.end_market_value),
           CASE WHEN g.carried_members > 0 THEN abs(coalesce(g.carried_value, g.end_market_value)) END
    FROM passed_over p JOIN marts.group_performance_daily g USING (tenant_id, run_id) WHERE g.published_at > p.at
    UNION
    SELECT g.tenant_id, g.group_type, g.group_id, g.as_of_date, g.run_id, g.currency, g.carried_members,
           abs(g.end_market_value),
           CASE WHEN g.carried_members > 0 THEN abs(coalesce(g.carried_value, g.end_market_value)) END
    FROM changed c JOIN marts.group_member m USING (tenant_id, account_id)
    JOIN marts.group_performance_daily g ON g.tenant_id = m.tenant_id AND g.group_type = m.group_type
        AND g.group_id = m.group_id AND g.as_of_date BETWEEN greatest(c.from_date, m.from_date)
        AND least(c.to_date, coalesce(m.to_date, 'infinity'))
), day AS MATERIALIZED (
    -- compared_later: figures of some accounts came after a run that had none, so each member is asked on its own.
    SELECT tenant_id, as_of_date, array_agg(DISTINCT run_id) AS run_ids, EXISTS (
        SELECT FROM marts.uncompared_day u WHERE u.tenant_id = concerned.tenant_id
        AND u.as_of_date = concerned.as_of_date AND NOT u.is_uncompared) AS compared_later
    FROM concerned GROUP BY 1, 2
), run AS MATERIALIZED (
    SELECT tenant_id, run_id, count(*) FILTER (WHERE state <> 'did_not_run') = 4 AS controlled,
           bool_or(state = 'nothing_there') IS FALSE AS compared, bool_or(state = 'not_asked') AS unwatched,
           bool_or(state = 'warned') AS warned,
           string_agg(reason, '; ' ORDER BY control) FILTER (WHERE state <> 'ran') AS reasons,
           string_agg(reason, '; ' ORDER BY control) FILTER (WHERE state NOT IN ('ran', 'nothing_there')) AS others
    FROM marts.run_control WHERE tenant_id = ANY (%(tenants)s) GROUP BY 1, 2
), exception AS MATERIALIZED (
    SELECT e.tenant_id, e.account_id, y.as_of_date, e.kind, e.amount, e.currency, NULL AS run_id
    FROM day y JOIN marts.account_exception e
    ON e.tenant_id = y.tenant_id AND y.as_of_date BETWEEN e.from_date AND e.to_date
    UNION ALL
    SELECT d.tenant_id, d.account_id, d.as_of_date, k.kind, NULL, NULL,
           CASE WHEN NOT (y.compared_later AND k.kind = 'uncompared') THEN d.run_id END
    FROM day y JOIN marts.account_performance_daily d USING (tenant_id, as_of_date)
    LEFT JOIN run r ON r.tenant_id = d.tenant_id AND r.run_id = d.run_id
    LEFT JOIN marts.uncompared_day later ON later.tenant_id = d.tenant_id AND later.account_id = d.account_id
        AND later.as_of_date = d.as_of_date AND NOT later.is_uncompared AND later.published_at >= d.published_at
    CROSS JOIN LATERAL (SELECT r.compared OR later.account_id IS NOT NULL AS compared) s
    CROSS JOIN LATERAL (
        SELECT CASE WHEN r.controlled IS NOT TRUE THEN 'unknown' WHEN NOT s.compared THEN 'uncompared'
                    WHEN r.warned THEN 'flagged' ELSE 'unwatched' END AS kind
    ) k
    WHERE (d.run_id <> ALL (y.run_ids) OR cardinality(y.run_ids) > 1 OR y.compared_later AND NOT s.compared)
    AND ((r.controlled AND s.compared) IS NOT TRUE OR r.warned OR r.unwatched)
), of_member AS MATERIALIZED (
    SELECT e.tenant_id, e.account_id, e.as_of_date, e.kind, e.run_id, coalesce(r.currency, d.currency) AS currency,
           abs(coalesce(r.end_market_value, d.end_market_value)) AS worth,
           least(sum(CASE WHEN e.currency = d.currency AND d.end_market_value <> 0
                          THEN least(e.amount / abs(d.end_market_value::float8), 1) ELSE 1 END), 1) AS share
    FROM exception e JOIN marts.account_performance_daily d USING (tenant_id, account_id, as_of_date)
    LEFT JOIN marts.account_performance_reporting r USING (tenant_id, account_id, as_of_date)
    GROUP BY 1, 2, 3, 4, 5, 6, 7
), of_group AS (
    SELECT c.tenant_id, c.group_type, c.group_id, c.as_of_date, o.kind, count(DISTINCT o.account_id) AS members,
           sum(o.share * CASE WHEN o.currency = c.currency THEN o.worth ELSE c.worth END) AS weighed
    FROM of_member o JOIN marts.group_member m ON m.tenant_id = o.tenant_id AND m.account_id = o.account_id
        AND o.as_of_date BETWEEN m.from_date AND coalesce(m.to_date, 'infinity')
    JOIN concerned c ON c.tenant_id = m.tenant_id AND c.group_type = m.group_type AND c.group_id = m.group_id
        AND c.as_of_date = o.as_of_date AND o.run_id IS DISTINCT FROM c.run_id
    GROUP BY 1, 2, 3, 4, 5
), kinds AS (
    SELECT tenant_id, group_type, group_id, as_of_date, array_agg(kind) AS kinds,
           jsonb_object_agg(kind, weighed) AS weighed,
           string_agg(members || CASE members WHEN 1 THEN ' member ' ELSE ' members ' END || CASE kind
               WHEN 'break' THEN 'in break' WHEN 'unknown' THEN 'without all controls'
               WHEN 'uncompared' THEN 'compared with nobody' ELSE kind END, '; ' ORDER BY kind) AS reasons
    FROM of_group GROUP BY 1, 2, 3, 4
), told AS (
    SELECT c.tenant_id, c.group_type, c.group_id, c.as_of_date, coalesce(k.kinds, '{{}}') AS kinds,
           {shares},
           r.controlled, r.compared OR y.compared_later AS compared, r.unwatched, r.warned, c.carried_members,
           concat_ws('; ', CASE WHEN r.run_id IS NULL THEN 'no control is known to have run' END,
               CASE WHEN y.compared_later THEN r.others ELSE r.reasons END, k.reasons,
               CASE WHEN c.carried_members > 0 THEN c.carried_members || ' carried' END) AS reasons
    FROM concerned c JOIN day y USING (tenant_id, as_of_date)
    LEFT JOIN kinds k USING (tenant_id, group_type, group_id, as_of_date)
    LEFT JOIN run r ON r.tenant_id = c.tenant_id AND r.run_id = c.run_id
), worded AS (
    SELECT tenant_id, group_type, group_id, as_of_date, stale, break, carried, overridden,
           CASE WHEN compared IS FALSE THEN 1 ELSE uncompared END AS uncompared,
           CASE WHEN controlled IS NOT TRUE OR 'unknown' = ANY (kinds) THEN 'unknown'
                WHEN 'break' = ANY (kinds) OR 'uncompared' = ANY (kinds) OR NOT compared THEN 'unreconciled'
                WHEN 'stale' = ANY (kinds) THEN 'stale'
                WHEN 'overridden' = ANY (kinds) THEN 'overridden'
                WHEN carried_members > 0 THEN 'carried'
                WHEN 'flagged' = ANY (kinds) OR warned THEN 'flagged'
                WHEN 'unwatched' = ANY (kinds) OR unwatched THEN 'unwatched' ELSE 'verified' END AS assurance, reasons
    FROM told
)
INSERT INTO marts.group_assurance AS known (tenant_id, group_type, group_id, as_of_date, stale_share, break_share,
    carried_share, overridden_share, uncompared_share, assurance, reasons, run_id, published_at)
SELECT tenant_id, group_type, group_id, as_of_date, stale, break, carried, overridden, uncompared, assurance, reasons,
       %(run_id)s, %(published_at)s FROM worded
ON CONFLICT (tenant_id, group_type, group_id, as_of_date) DO UPDATE
SET (stale_share, break_share, carried_share, overridden_share, uncompared_share, assurance, reasons, run_id,
     published_at) = ROW (excluded.stale_share, excluded.break_share, excluded.carried_share,
     excluded.overridden_share, excluded.uncompared_share, excluded.assurance, excluded.reasons, excluded.run_id,
     excluded.published_at)
WHERE ROW (known.stale_share, known.break_share, known.carried_share, known.overridden_share, known.uncompared_share,
           known.assurance, known.reasons)
   IS DISTINCT FROM ROW (excluded.stale_share, excluded.break_share, excluded.carried_share,
           excluded.overridden_share, excluded.uncompared_share, excluded.assurance, excluded.reasons)"""


def _share(name: str, weighed: str) -> str:
    """Of a group worth nothing the share is all or nothing (least() passes over NULL)."""
    return f"CASE WHEN {weighed} IS NULL THEN 0 ELSE least({weighed} / nullif(c.worth, 0)::float8, 1) END AS {name}"


SHARES = ", ".join(
    [_share(name, f"(k.weighed ->> '{name}')::float8") for name in ("stale", "break", "overridden", "uncompared")]
    + [_share("carried", "c.carried::float8")]
)

GONE = """
DELETE FROM marts.group_assurance a USING stage.group_epoch e
WHERE a.tenant_id = e.tenant_id AND a.group_type = e.group_type AND a.group_id = e.group_id
AND a.as_of_date >= e.from_date AND NOT EXISTS (
    SELECT FROM marts.group_performance_daily g WHERE g.tenant_id = a.tenant_id AND g.group_type = a.group_type
    AND g.group_id = a.group_id AND g.as_of_date = a.as_of_date)"""


@dataclass(frozen=True)
class Publishing:
    """The publication that asks: its run and the night of that, its moment, and the tenants it is about."""

    run_id: str
    business_date: date
    published_at: datetime
    tenants: list[str]


def note_controls(connection: psycopg.Connection, of: Publishing, tolerances: Tolerances) -> None:
    """Write which controls ran over what the run brings (marts.run_control), by the ledger of its steps; the same of
    the runs since the last publication, whose rows it brings as well."""
    stale = [rule for rule in tolerances.rules if str(rule.measure).startswith(STALE)]
    everywhere = [rule for rule in stale if _watches_everybody(rule) and rule.in_force_on(of.business_date)]
    connection.execute(RULES, {"rules": sorted({rule.name for rule in stale})})
    connection.execute(
        CONTROLS,
        {
            "run_id": of.run_id,
            "tenants": of.tenants,
            "published_at": of.published_at,
            "watched": [tenant for tenant in of.tenants if any(rule.tenant in {None, tenant} for rule in everywhere)],
        },
    )


def _watches_everybody(rule: Rule) -> bool:
    """Whether it looks at each account of its tenants: one of a vendor, a feed or a class leaves others unwatched."""
    scope = (rule.vendor, rule.feed, rule.account_class)
    return rule.measure == WATCH and scope == (None, None, None) and rule.applies_to in {ANY, "valuation"}


def tell_groups(connection: psycopg.Connection, of: Publishing, dates: Collection[date]) -> int:
    """Write marts.group_assurance for the groups' new rows (of `dates`) and those of members about whom something has
    changed since their tenant was published last. Returns the rows that are new or changed."""
    connection.execute(GONE)
    return connection.execute(
        GROUPS.format(shares=SHARES),
        {
            "dates": sorted(dates),
            "tenants": of.tenants,
            "run_id": of.run_id,
            "published_at": of.published_at,
            "lasting": LASTING,
        },
    ).rowcount
