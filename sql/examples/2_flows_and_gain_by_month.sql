-- Where the money came from: flows, fees and gain by tenant and month
SELECT tenant_id, date_trunc('month', as_of_date)::date AS month, currency,
       sum(net_flow) AS net_flow, sum(fees) AS fees, sum(gain_loss) AS gain_loss
FROM marts.account_performance_daily
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3;
