-- Month-to-date return of every account on the last published day, best first
SELECT tenant_id, account_id, as_of_date, end_market_value, round((100 * twrr_mtd)::numeric, 2) AS mtd_percent,
       round((100 * twrr_ytd)::numeric, 2) AS ytd_percent, status
FROM marts.account_performance_daily
WHERE as_of_date = (SELECT max(as_of_date) FROM marts.account_performance_daily)
ORDER BY twrr_mtd DESC NULLS LAST
LIMIT 20;
