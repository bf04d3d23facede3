-- A row of a run that had nothing to compare with is compared once a figure of its day has come and stood beside it.

CREATE OR REPLACE VIEW marts.account_assurance WITH (security_invoker) AS
SELECT d.tenant_id, d.account_id, d.as_of_date,
       least(coalesce(x.stale, 0), 1) AS stale_share, least(coalesce(x.broken, 0), 1) AS break_share,
       0::float8 AS carried_share, least(coalesce(x.overridden, 0), 1) AS overridden_share,
       CASE WHEN c.has_nothing_to_compare THEN 1 ELSE least(coalesce(x.uncompared, 0), 1) END AS uncompared_share,
       CASE WHEN c.is_controlled IS NOT TRUE THEN 'unknown'
            WHEN x.broken IS NOT NULL OR x.uncompared IS NOT NULL OR c.has_nothing_to_compare THEN 'unreconciled'
            WHEN x.stale IS NOT NULL THEN 'stale'
            WHEN x.overridden IS NOT NULL THEN 'overridden'
            WHEN x.flagged OR c.is_warned THEN 'flagged'
            WHEN c.is_unwatched THEN 'unwatched'
            ELSE 'verified' END AS assurance,
       concat_ws('; ', CASE WHEN c.is_controlled IS NULL THEN 'no control is known to have run' END, c.reasons, x.reasons)
           AS reasons
FROM marts.account_performance_daily d
LEFT JOIN marts.uncompared_day later ON later.tenant_id = d.tenant_id AND later.account_id = d.account_id
    AND later.as_of_date = d.as_of_date AND NOT later.is_uncompared AND later.published_at >= d.published_at
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE r.state <> 'did_not_run') = 4 AS is_controlled,
           bool_or(r.state = 'nothing_there' AND later.account_id IS NULL) AS has_nothing_to_compare,
           bool_or(r.state = 'not_asked') AS is_unwatched,
           bool_or(r.state = 'warned') AS is_warned,
           nullif(string_agg(r.reason, '; ' ORDER BY r.control) FILTER (
               WHERE r.state <> 'ran' AND NOT (r.state = 'nothing_there' AND later.account_id IS NOT NULL)), '') AS reasons
    FROM marts.run_control r WHERE r.tenant_id = d.tenant_id AND r.run_id = d.run_id HAVING count(*) > 0
) c ON true
LEFT JOIN LATERAL (
    SELECT sum(s.share) FILTER (WHERE s.kind = 'stale') AS stale,
           sum(s.share) FILTER (WHERE s.kind = 'break') AS broken,
           sum(s.share) FILTER (WHERE s.kind = 'overridden') AS overridden,
           sum(s.share) FILTER (WHERE s.kind = 'uncompared') AS uncompared,
           bool_or(s.kind = 'flagged') AS flagged, string_agg(DISTINCT s.reason, '; ') AS reasons
    FROM (
        SELECT e.kind, e.reason,
               CASE WHEN e.currency = d.currency AND d.end_market_value <> 0
                    THEN least(e.amount / abs(d.end_market_value::float8), 1) ELSE 1 END AS share
        FROM marts.account_exception e
        WHERE e.tenant_id = d.tenant_id AND e.account_id = d.account_id
        AND d.as_of_date BETWEEN e.from_date AND e.to_date
    ) s
) x ON true;
