-- Periods and risk statistics with how far they can be relied on: the worst of the days that they are made of.

CREATE FUNCTION marts.assurance_place(word text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN coalesce(
    array_position(ARRAY['unknown', 'unreconciled', 'stale', 'overridden', 'carried', 'flagged', 'unwatched', 'verified'],
                   word), 1);
COMMENT ON FUNCTION marts.assurance_place IS 'Place of an assurance word, from the worst (1); of none that of unknown.';
CREATE FUNCTION marts.assurance_word(place integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    (ARRAY['unknown', 'unreconciled', 'stale', 'overridden', 'carried', 'flagged', 'unwatched', 'verified'])[place];
COMMENT ON FUNCTION marts.assurance_word IS 'The assurance word in a place, from the worst (1).';

CREATE FUNCTION marts.account_assurance_between(of_tenant text, of_account text, since date, until date)
RETURNS TABLE (assurance text, unverified_days bigint, reasons text, stale_share double precision,
    break_share double precision, carried_share double precision, overridden_share double precision,
    uncompared_share double precision)
LANGUAGE sql STABLE PARALLEL SAFE AS $$  -- as text: a column that is widened makes the views below it anew
    SELECT marts.assurance_word(min(t.place)), count(*) FILTER (WHERE t.assurance <> 'verified'),
           (array_agg(t.reasons ORDER BY t.place, t.as_of_date))[1],
           max(t.stale_share), max(t.break_share), max(t.carried_share), max(t.overridden_share),
           max(t.uncompared_share)
    FROM (
        SELECT a.*, marts.assurance_place(a.assurance) AS place FROM marts.account_assurance a
        WHERE a.tenant_id = of_tenant AND a.account_id = of_account
        AND a.as_of_date > since AND a.as_of_date <= until
    ) t HAVING count(*) > 0
$$;
COMMENT ON FUNCTION marts.account_assurance_between IS
    'The worst that stands against an account''s rows after `since` up to `until`; no row where it has none then.';

CREATE VIEW marts.assured_performance_period WITH (security_invoker) AS
SELECT p.tenant_id, p.account_id, p.as_of_date, p.period, p.start_date, p.begin_market_value, p.net_flow,
       p.end_market_value, p.gain_loss, p.twrr, p.twrr_annualised, p.mwr, p.status,
       coalesce(w.assurance, 'unknown') AS assurance, coalesce(w.reasons, 'none of its days is published') AS reasons,
       w.unverified_days, w.stale_share, w.break_share, w.carried_share, w.overridden_share,
       w.uncompared_share, p.published_at
FROM marts.account_performance_period p
LEFT JOIN LATERAL marts.account_assurance_between(p.tenant_id, p.account_id, p.start_date, p.as_of_date) w ON true;
COMMENT ON VIEW marts.assured_performance_period IS 'Rows of marts.account_performance_period with the worst that stands against any of their days.';
COMMENT ON COLUMN marts.assured_performance_period.tenant_id IS 'The client firm.';
COMMENT ON COLUMN marts.assured_performance_period.account_id IS 'The firm''s own account identifier.';
COMMENT ON COLUMN marts.assured_performance_period.as_of_date IS 'Last day of the period.';
COMMENT ON COLUMN marts.assured_performance_period.period IS 'Name of the period.';
COMMENT ON COLUMN marts.assured_performance_period.start_date IS 'As in marts.account_performance_period.';
COMMENT ON COLUMN marts.assured_performance_period.begin_market_value IS 'As in marts.account_performance_period.';
COMMENT ON COLUMN marts.assured_performance_period.net_flow IS 'As in marts.account_performance_period.';
COMMENT ON COLUMN marts.assured_performance_period.end_market_value IS 'As in marts.account_performance_period.';
COMMENT ON COLUMN marts.assured_performance_period.gain_loss IS 'As in marts.account_performance_period.';
COMMENT ON COLUMN marts.assured_performance_period.twrr IS 'As in marts.account_performance_period.';
COMMENT ON COLUMN marts.assured_performance_period.twrr_annualised IS 'As in marts.account_performance_period.';
COMMENT ON COLUMN marts.assured_performance_period.mwr IS 'As in marts.account_performance_period.';
COMMENT ON COLUMN marts.assured_performance_period.status IS 'As in marts.account_performance_period.';
COMMENT ON COLUMN marts.assured_performance_period.assurance IS 'The worst word of any of its days, from the worst: unknown, unreconciled, stale, overridden, carried, flagged, unwatched, verified.';
COMMENT ON COLUMN marts.assured_performance_period.reasons IS 'Why the first of its worst days is not verified; empty where all are.';
COMMENT ON COLUMN marts.assured_performance_period.unverified_days IS 'Days with a row that are not verified.';
COMMENT ON COLUMN marts.assured_performance_period.stale_share IS 'The largest share of the value on one of its days that was stale or stale-priced.';
COMMENT ON COLUMN marts.assured_performance_period.break_share IS 'The largest share of a day that is in break.';
COMMENT ON COLUMN marts.assured_performance_period.carried_share IS 'The largest share of a day that was carried.';
COMMENT ON COLUMN marts.assured_performance_period.overridden_share IS 'The largest share of a day that a person has released or accepted.';
COMMENT ON COLUMN marts.assured_performance_period.uncompared_share IS 'The largest share of a day that nobody''s figure was there to compare with.';
COMMENT ON COLUMN marts.assured_performance_period.published_at IS 'When the figures became visible; what is said of them changes nothing here.';
GRANT SELECT ON marts.assured_performance_period TO dietz_analyst;

CREATE VIEW marts.assured_group_performance_period WITH (security_invoker) AS
SELECT p.tenant_id, p.group_type, p.group_id, p.as_of_date, p.period, p.start_date, p.begin_market_value,
       p.net_flow, p.end_market_value, p.gain_loss, p.twrr, p.twrr_annualised, p.mwr, p.status,
       coalesce(w.assurance, 'unknown') AS assurance, coalesce(w.reasons, 'none of its days is published') AS reasons,
       w.unverified_days, w.stale_share, w.break_share, w.carried_share, w.overridden_share,
       w.uncompared_share, p.published_at
FROM marts.group_performance_period p LEFT JOIN LATERAL (
    SELECT marts.assurance_word(min(t.place)) AS assurance, count(*) FILTER (WHERE t.place < 8) AS unverified_days,
           (array_agg(t.reasons ORDER BY t.place, t.as_of_date))[1] AS reasons,
           max(t.stale_share) AS stale_share, max(t.break_share) AS break_share,
           max(t.carried_share) AS carried_share, max(t.overridden_share) AS overridden_share,
           max(t.uncompared_share) AS uncompared_share
    FROM (
        SELECT d.as_of_date, marts.assurance_place(a.assurance) AS place,
               coalesce(a.reasons, 'no control is known to have run') AS reasons,
               a.stale_share, a.break_share, a.carried_share, a.overridden_share, a.uncompared_share
        FROM marts.group_performance_daily d
        LEFT JOIN marts.group_assurance a USING (tenant_id, group_type, group_id, as_of_date)
        WHERE d.tenant_id = p.tenant_id AND d.group_type = p.group_type AND d.group_id = p.group_id
        AND d.as_of_date > coalesce(p.start_date, 'infinity') AND d.as_of_date <= p.as_of_date
    ) t HAVING count(*) > 0
) w ON true;
COMMENT ON VIEW marts.assured_group_performance_period IS 'Rows of marts.group_performance_period with the worst that stands against any of their days.';
COMMENT ON COLUMN marts.assured_group_performance_period.tenant_id IS 'The client firm.';
COMMENT ON COLUMN marts.assured_group_performance_period.group_type IS 'Kind of group.';
COMMENT ON COLUMN marts.assured_group_performance_period.group_id IS 'The group; of the group tenant the tenant_id.';
COMMENT ON COLUMN marts.assured_group_performance_period.as_of_date IS 'Last day of the period.';
COMMENT ON COLUMN marts.assured_group_performance_period.period IS 'Name of the period.';
COMMENT ON COLUMN marts.assured_group_performance_period.start_date IS 'As in marts.group_performance_period.';
COMMENT ON COLUMN marts.assured_group_performance_period.begin_market_value IS 'As in marts.group_performance_period.';
COMMENT ON COLUMN marts.assured_group_performance_period.net_flow IS 'As in marts.group_performance_period.';
COMMENT ON COLUMN marts.assured_group_performance_period.end_market_value IS 'As in marts.group_performance_period.';
COMMENT ON COLUMN marts.assured_group_performance_period.gain_loss IS 'As in marts.group_performance_period.';
COMMENT ON COLUMN marts.assured_group_performance_period.twrr IS 'As in marts.group_performance_period.';
COMMENT ON COLUMN marts.assured_group_performance_period.twrr_annualised IS 'As in marts.group_performance_period.';
COMMENT ON COLUMN marts.assured_group_performance_period.mwr IS 'As in marts.group_performance_period.';
COMMENT ON COLUMN marts.assured_group_performance_period.status IS 'As in marts.group_performance_period.';
COMMENT ON COLUMN marts.assured_group_performance_period.assurance IS 'The worst word of any of its days, from the worst: unknown, unreconciled, stale, overridden, carried, flagged, unwatched, verified.';
COMMENT ON COLUMN marts.assured_group_performance_period.reasons IS 'Why the first of its worst days is not verified; empty where all are.';
COMMENT ON COLUMN marts.assured_group_performance_period.unverified_days IS 'Days with a row that are not verified.';
COMMENT ON COLUMN marts.assured_group_performance_period.stale_share IS 'The largest share of the value on one of its days that was stale or stale-priced.';
COMMENT ON COLUMN marts.assured_group_performance_period.break_share IS 'The largest share of a day that is in break.';
COMMENT ON COLUMN marts.assured_group_performance_period.carried_share IS 'The largest share of a day that was carried.';
COMMENT ON COLUMN marts.assured_group_performance_period.overridden_share IS 'The largest share of a day that a person has released or accepted.';
COMMENT ON COLUMN marts.assured_group_performance_period.uncompared_share IS 'The largest share of a day that nobody''s figure was there to compare with.';
COMMENT ON COLUMN marts.assured_group_performance_period.published_at IS 'When the figures became visible; what is said of them changes nothing here.';
GRANT SELECT ON marts.assured_group_performance_period TO dietz_analyst;

CREATE VIEW marts.assured_risk WITH (security_invoker) AS
SELECT p.tenant_id, p.account_id, p.as_of_date, p.window_name, p.frequency, p.observations, p.volatility,
       p.sharpe, p.max_drawdown, p.status,
       coalesce(w.assurance, 'unknown') AS assurance, coalesce(w.reasons, 'none of its days is published') AS reasons,
       w.unverified_days, w.stale_share, w.break_share, w.carried_share, w.overridden_share,
       w.uncompared_share, p.published_at
FROM marts.account_risk p
LEFT JOIN LATERAL marts.account_assurance_between(
    p.tenant_id, p.account_id,
    p.as_of_date - CASE p.window_name WHEN '1Y' THEN 365 WHEN '3Y' THEN 1096 WHEN '5Y' THEN 1827 ELSE 40000 END,
    p.as_of_date) w ON true;
COMMENT ON VIEW marts.assured_risk IS 'Rows of marts.account_risk with the worst that stands against any of the days of their window.';
COMMENT ON COLUMN marts.assured_risk.tenant_id IS 'The client firm.';
COMMENT ON COLUMN marts.assured_risk.account_id IS 'The firm''s own account identifier.';
COMMENT ON COLUMN marts.assured_risk.as_of_date IS 'Date of the statistics.';
COMMENT ON COLUMN marts.assured_risk.window_name IS 'Name of the window.';
COMMENT ON COLUMN marts.assured_risk.frequency IS 'monthly or daily: the returns that they are made from.';
COMMENT ON COLUMN marts.assured_risk.observations IS 'As in marts.account_risk.';
COMMENT ON COLUMN marts.assured_risk.volatility IS 'As in marts.account_risk.';
COMMENT ON COLUMN marts.assured_risk.sharpe IS 'As in marts.account_risk.';
COMMENT ON COLUMN marts.assured_risk.max_drawdown IS 'As in marts.account_risk.';
COMMENT ON COLUMN marts.assured_risk.status IS 'As in marts.account_risk.';
COMMENT ON COLUMN marts.assured_risk.assurance IS 'The worst word of any of its days, from the worst: unknown, unreconciled, stale, overridden, carried, flagged, unwatched, verified.';
COMMENT ON COLUMN marts.assured_risk.reasons IS 'Why the first of its worst days is not verified; empty where all are.';
COMMENT ON COLUMN marts.assured_risk.unverified_days IS 'Days with a row that are not verified.';
COMMENT ON COLUMN marts.assured_risk.stale_share IS 'The largest share of the value on one of its days that was stale or stale-priced.';
COMMENT ON COLUMN marts.assured_risk.break_share IS 'The largest share of a day that is in break.';
COMMENT ON COLUMN marts.assured_risk.carried_share IS 'The largest share of a day that was carried.';
COMMENT ON COLUMN marts.assured_risk.overridden_share IS 'The largest share of a day that a person has released or accepted.';
COMMENT ON COLUMN marts.assured_risk.uncompared_share IS 'The largest share of a day that nobody''s figure was there to compare with.';
COMMENT ON COLUMN marts.assured_risk.published_at IS 'When the figures became visible; what is said of them changes nothing here.';
GRANT SELECT ON marts.assured_risk TO dietz_analyst;
