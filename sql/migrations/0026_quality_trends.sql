-- How the gate's rules have done from night to night: what an operator asks before he mends a mapping or moves a limit.
CREATE VIEW marts.data_quality_night WITH (security_invoker) AS
WITH night AS (
    SELECT tenant_id, vendor, feed, table_name, rule, column_name, business_date,
           count(*)::integer AS deliveries,
           (array_agg(severity ORDER BY run_no DESC))[1] AS severity,
           (array_agg(observed ORDER BY success, run_no DESC))[1] AS observed,
           (array_agg(expected_value ORDER BY success, run_no DESC))[1] AS expected_value,
           sum(rows_checked)::bigint AS rows_checked,
           sum(rows_failed)::bigint AS rows_failed,
           NOT bool_and(success) AS missed
    FROM marts.data_quality_result
    GROUP BY tenant_id, vendor, feed, table_name, rule, column_name, business_date
), streak AS (
    SELECT *,
           count(*) FILTER (WHERE NOT missed)
               OVER (PARTITION BY tenant_id, vendor, feed, table_name, rule, column_name ORDER BY business_date) AS held,
           row_number() OVER (PARTITION BY tenant_id, vendor, feed, table_name, rule, column_name
                              ORDER BY business_date DESC)::integer AS nights_back
    FROM night
)
SELECT tenant_id, vendor, feed, table_name, rule, column_name, business_date, nights_back, deliveries, severity,
       observed, expected_value, rows_checked, rows_failed,
       rows_failed::double precision / nullif(rows_checked, 0) AS share_missed,
       missed,
       CASE WHEN missed THEN min(business_date) FILTER (WHERE missed)
           OVER (PARTITION BY tenant_id, vendor, feed, table_name, rule, column_name, held) END AS missed_since
FROM streak;
COMMENT ON VIEW marts.data_quality_night IS
    'One row per rule, feed, table, column and night on which the feed came: the deliveries of the night together.';
COMMENT ON COLUMN marts.data_quality_night.tenant_id IS 'The client firm.';
COMMENT ON COLUMN marts.data_quality_night.vendor IS 'Who delivered the rows.';
COMMENT ON COLUMN marts.data_quality_night.feed IS 'The mapping that read them.';
COMMENT ON COLUMN marts.data_quality_night.table_name IS 'Canonical table, as in marts.data_quality_result.';
COMMENT ON COLUMN marts.data_quality_night.rule IS 'The rule of conf/tolerances.yaml.';
COMMENT ON COLUMN marts.data_quality_night.column_name IS 'The column it is about; empty: the whole row.';
COMMENT ON COLUMN marts.data_quality_night.business_date IS 'The night.';
COMMENT ON COLUMN marts.data_quality_night.nights_back IS
    '1 for the last night on which the feed came, 2 for the one before: the last ten nights are nights_back <= 10.';
COMMENT ON COLUMN marts.data_quality_night.deliveries IS 'Runs of the night that judged rows of the feed by the rule.';
COMMENT ON COLUMN marts.data_quality_night.severity IS 'What a miss meant on that night.';
COMMENT ON COLUMN marts.data_quality_night.observed IS
    'What was measured, in the rule''s unit; of several deliveries that of the last one that missed it.';
COMMENT ON COLUMN marts.data_quality_night.expected_value IS 'What the rule allowed, in words.';
COMMENT ON COLUMN marts.data_quality_night.rows_checked IS 'Rows looked at.';
COMMENT ON COLUMN marts.data_quality_night.rows_failed IS 'Rows that contradict the rule.';
COMMENT ON COLUMN marts.data_quality_night.share_missed IS
    'rows_failed / rows_checked, a fraction; 0 for a rule about the number of rows, NULL where there were none.';
COMMENT ON COLUMN marts.data_quality_night.missed IS 'Whether a delivery of the night missed the rule.';
COMMENT ON COLUMN marts.data_quality_night.missed_since IS
    'First of the nights in a row, up to this one, that missed the rule; NULL where this one did not.';
GRANT SELECT ON marts.data_quality_night TO dietz_analyst;

CREATE VIEW marts.data_quality_trend WITH (security_invoker) AS
SELECT tenant_id, vendor, feed, table_name, rule, column_name,
       max(business_date) AS last_night,
       bool_or(missed) FILTER (WHERE nights_back = 1) AS missed,
       max(missed_since) FILTER (WHERE nights_back = 1) AS missed_since,
       max(share_missed) FILTER (WHERE nights_back = 1) AS share_missed,
       count(*)::integer AS nights,
       (count(*) FILTER (WHERE missed))::integer AS nights_missed,
       avg(share_missed) AS average_share,
       max(share_missed) AS largest_share,
       max(business_date) FILTER (WHERE missed) AS missed_last
FROM marts.data_quality_night
WHERE nights_back <= 20
GROUP BY tenant_id, vendor, feed, table_name, rule, column_name;
COMMENT ON VIEW marts.data_quality_trend IS
    'One row per rule, feed, table and column: how the last 20 nights went on which the feed came.';
COMMENT ON COLUMN marts.data_quality_trend.tenant_id IS 'The client firm.';
COMMENT ON COLUMN marts.data_quality_trend.vendor IS 'Who delivered the rows.';
COMMENT ON COLUMN marts.data_quality_trend.feed IS 'The mapping that read them.';
COMMENT ON COLUMN marts.data_quality_trend.table_name IS 'Canonical table, as in marts.data_quality_result.';
COMMENT ON COLUMN marts.data_quality_trend.rule IS 'The rule of conf/tolerances.yaml.';
COMMENT ON COLUMN marts.data_quality_trend.column_name IS 'The column it is about; empty: the whole row.';
COMMENT ON COLUMN marts.data_quality_trend.last_night IS 'Last night on which the rule was asked of the feed.';
COMMENT ON COLUMN marts.data_quality_trend.missed IS 'Whether that night missed it.';
COMMENT ON COLUMN marts.data_quality_trend.missed_since IS
    'First of the nights in a row up to the last one that missed it; NULL where the last one did not.';
COMMENT ON COLUMN marts.data_quality_trend.share_missed IS 'Share of the rows that contradicted the rule on the last night.';
COMMENT ON COLUMN marts.data_quality_trend.nights IS 'Nights looked at, at most 20.';
COMMENT ON COLUMN marts.data_quality_trend.nights_missed IS 'How many of them missed the rule.';
COMMENT ON COLUMN marts.data_quality_trend.average_share IS 'Mean of share_missed over these nights, a fraction.';
COMMENT ON COLUMN marts.data_quality_trend.largest_share IS 'Largest share_missed of these nights.';
COMMENT ON COLUMN marts.data_quality_trend.missed_last IS 'Last of these nights that missed the rule; NULL where none did.';
GRANT SELECT ON marts.data_quality_trend TO dietz_analyst;
