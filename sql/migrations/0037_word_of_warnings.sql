-- A warning about a night's data counts for what the night brought, and a row whose restatement waits is known to be wrong.

ALTER TABLE marts.run_control DROP CONSTRAINT run_control_state_check;
ALTER TABLE marts.run_control ADD CONSTRAINT run_control_state_check
    CHECK (state IN ('ran', 'warned', 'did_not_run', 'not_asked', 'nothing_there'));
COMMENT ON COLUMN marts.run_control.state IS
    'ran; warned: the gate ran, and a rule about the night''s data as a whole was missed; did_not_run, though it should have; not_asked: no rule of the firm asks for it; nothing_there: nobody''s figures had come.';

CREATE OR REPLACE VIEW marts.account_exception WITH (security_invoker) AS
SELECT b.tenant_id, b.account_id, b.as_of_date AS from_date, coalesce(b.through_date, b.as_of_date) AS to_date,
       CASE WHEN b.type LIKE 'account\_%' THEN 'flagged' WHEN b.state = 'accepted' THEN 'overridden' ELSE 'break' END AS kind,
       CASE WHEN b.type IN ('cash_roll', 'cash_balance') THEN greatest(abs(b.ours), abs(b.theirs)) END AS amount,
       CASE WHEN b.type IN ('cash_roll', 'cash_balance') THEN b.item END AS currency,
       concat_ws(' ', b.state, b.type, b.item, 'against', b.source_vendor) AS reason
FROM marts.reconciliation_break b
WHERE b.state IN ('open', 'explained', 'accepted') AND NOT (b.type LIKE 'account\_%' AND b.state = 'accepted')
UNION ALL
SELECT u.tenant_id, u.account_id, u.as_of_date, u.as_of_date, 'uncompared', NULL, NULL,
       'nobody''s figures to compare with'
FROM marts.uncompared_day u WHERE u.is_uncompared
UNION ALL
SELECT h.tenant_id, h.account_id, h.as_of_date, h.as_of_date,
       CASE WHEN h.state = 'released' THEN 'overridden' ELSE coalesce(r.kind, 'flagged') END, NULL, NULL,
       concat_ws(' ', h.state, h.rule)
FROM marts.held_account h LEFT JOIN marts.assurance_rule r ON r.rule = h.rule
WHERE h.state IN ('flagged', 'held') OR (h.state = 'released' AND h.reason LIKE 'released by %')
UNION ALL
SELECT t.tenant_id, t.account_id, t.from_date, coalesce(t.last_date, 'infinity'), 'break', NULL, NULL,
       'restatement ' || t.state || ': ' || t.cause_kind
FROM marts.restatement t WHERE t.account_id IS NOT NULL AND t.state IN ('waiting', 'approved');

COMMENT ON VIEW marts.account_exception IS
    'What stands against an account''s rows at present: one row per break, flag, acceptance, release or restatement that waits, with the dates that it is about.';
COMMENT ON COLUMN marts.account_exception.kind IS
    'break (also a restatement that waits: the row is known to be wrong), uncompared (nobody''s figure to compare with), stale, overridden (accepted or released by a person) or flagged (any other warning, and what is open about the account''s record).';

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
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE r.state <> 'did_not_run') = 4 AS is_controlled,
           bool_or(r.state = 'nothing_there') AS has_nothing_to_compare, bool_or(r.state = 'not_asked') AS is_unwatched,
           bool_or(r.state = 'warned') AS is_warned,
           nullif(string_agg(r.reason, '; ' ORDER BY r.control) FILTER (WHERE r.state <> 'ran'), '') AS reasons
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

COMMENT ON COLUMN marts.account_assurance.assurance IS
    'The worst that holds, from the worst: unknown (a control did not run), unreconciled (a break, a restatement that waits, or nothing to compare with), stale, overridden, flagged (another warning, of the account or of the night''s data), unwatched (no rule looks for what stands still), verified.';
