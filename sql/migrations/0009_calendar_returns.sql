-- Monthly, quarterly and calendar-year returns as a table: the month-ends of the period mart, linked.
CREATE AGGREGATE marts.product(double precision) (SFUNC = float8mul, STYPE = double precision, INITCOND = '1');
COMMENT ON AGGREGATE marts.product(double precision) IS 'Product of the values, NULLs left out: links 1 + return.';

CREATE VIEW marts.account_calendar_return WITH (security_invoker) AS
WITH months AS (
    -- The date's daily row says which track it belongs to: a later track does not go on from an earlier one.
    SELECT p.*, d.track_no, d.inception_date
    FROM marts.account_performance_period p
    JOIN marts.account_performance_daily d USING (tenant_id, account_id, as_of_date)
    WHERE p.period = 'MTD' AND p.status = 'ok'
), placed AS (
    SELECT m.*, grain.name AS calendar_period, date_trunc(grain.name, m.as_of_date)::date AS period_start,
           max(m.track_no) OVER (
               PARTITION BY m.tenant_id, m.account_id, grain.name, date_trunc(grain.name, m.as_of_date)) AS last_track
    FROM months m CROSS JOIN (VALUES ('month'), ('quarter'), ('year')) AS grain (name)
)
SELECT tenant_id, account_id, calendar_period, period_start, max(as_of_date) AS as_of_date, min(start_date) AS start_date,
       (array_agg(begin_market_value ORDER BY as_of_date))[1] AS begin_market_value,
       sum(net_flow)::numeric(28,8) AS net_flow,
       sum(fees)::numeric(28,8) AS fees,
       (array_agg(end_market_value ORDER BY as_of_date DESC))[1] AS end_market_value,
       sum(gain_loss)::numeric(28,8) AS gain_loss,
       marts.product(1 + twrr) - 1 AS twrr,
       marts.product(1 + twrr_gross) - 1 AS twrr_gross,
       max(inception_date) > period_start AS is_partial
FROM placed
WHERE track_no = last_track
GROUP BY tenant_id, account_id, calendar_period, period_start;
COMMENT ON VIEW marts.account_calendar_return IS
    'Return of each account in each calendar month, quarter and year, up to its last row in it; linked within a track.';
COMMENT ON COLUMN marts.account_calendar_return.tenant_id IS 'The client firm: the folder in landing.';
COMMENT ON COLUMN marts.account_calendar_return.account_id IS 'The firm''s own account identifier.';
COMMENT ON COLUMN marts.account_calendar_return.calendar_period IS 'month, quarter or year.';
COMMENT ON COLUMN marts.account_calendar_return.period_start IS 'First day of the month, quarter or year.';
COMMENT ON COLUMN marts.account_calendar_return.as_of_date IS 'The account''s last row in it: the period may not have ended yet.';
COMMENT ON COLUMN marts.account_calendar_return.start_date IS 'Where the return starts: the date of the row before its first one.';
COMMENT ON COLUMN marts.account_calendar_return.begin_market_value IS 'Market value at start_date.';
COMMENT ON COLUMN marts.account_calendar_return.net_flow IS 'External flows of its rows.';
COMMENT ON COLUMN marts.account_calendar_return.fees IS 'Fees of its rows, positive for a charge.';
COMMENT ON COLUMN marts.account_calendar_return.end_market_value IS 'Market value on as_of_date.';
COMMENT ON COLUMN marts.account_calendar_return.gain_loss IS 'end_market_value - begin_market_value - net_flow.';
COMMENT ON COLUMN marts.account_calendar_return.twrr IS 'Net returns of the track linked over its rows, a fraction.';
COMMENT ON COLUMN marts.account_calendar_return.twrr_gross IS 'As twrr, before fees.';
COMMENT ON COLUMN marts.account_calendar_return.is_partial IS 'Whether the track began after the period did.';
GRANT SELECT ON marts.account_calendar_return TO dietz_analyst;
