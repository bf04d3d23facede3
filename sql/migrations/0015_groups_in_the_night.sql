-- Groups: the daily rows of foreign accounts in the reporting currency, what currency did to their returns, the
-- statistics of composites, and calendar returns of groups.

-- 1. Accounts in another currency than their groups', measured in that one.
CREATE TABLE marts.account_performance_reporting (
    LIKE marts.account_performance_daily,
    PRIMARY KEY (tenant_id, account_id, as_of_date)
) PARTITION BY RANGE (as_of_date);
COMMENT ON COLUMN marts.account_performance_reporting.published_at IS 'When this version of the row became visible.';
SELECT security.protect('marts.account_performance_reporting');
GRANT SELECT ON marts.account_performance_reporting TO dietz_analyst;

CREATE TABLE history.account_performance_reporting (
    LIKE marts.account_performance_reporting,
    known_from timestamptz NOT NULL,
    known_to timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id, as_of_date, known_from)
);
COMMENT ON TABLE history.account_performance_reporting IS
    'Rows of marts.account_performance_reporting that were published once and have been superseded since.';
COMMENT ON COLUMN history.account_performance_reporting.published_at IS 'When this version of the row became visible.';
COMMENT ON COLUMN history.account_performance_reporting.known_from IS
    'From this moment on the row was what we reported.';
COMMENT ON COLUMN history.account_performance_reporting.known_to IS
    'Until this moment; the row that replaced it counts from here.';
SELECT security.protect('history.account_performance_reporting');
GRANT SELECT ON history.account_performance_reporting TO dietz_analyst;

CREATE TABLE ops.account_reporting_epoch (
    LIKE ops.account_epoch,
    PRIMARY KEY (tenant_id, account_id, epoch)
);
COMMENT ON TABLE ops.account_reporting_epoch IS
    'As ops.account_epoch, of rows in the reporting currency: they are restated by rates too.';
COMMENT ON COLUMN ops.account_reporting_epoch.tenant_id IS 'The client firm.';
COMMENT ON COLUMN ops.account_reporting_epoch.account_id IS 'The firm''s own account identifier.';
COMMENT ON COLUMN ops.account_reporting_epoch.epoch IS 'Version of these rows of the account, from 2.';
COMMENT ON COLUMN ops.account_reporting_epoch.from_date IS 'First date whose rows the epoch supersedes.';

-- 2. Local return, currency return, base return. The two rows of a day may cover different times, since either may have
-- been without a rate the day before, and belong to tracks of different length: then they are not compared.
CREATE VIEW marts.account_currency_return WITH (security_invoker) AS
WITH beside AS (
    SELECT d.tenant_id, d.account_id, d.as_of_date, d.currency, d.status, d.begin_date, d.inception_date,
           d.twrr_daily, d.twrr_mtd, d.twrr_qtd, d.twrr_ytd, d.twrr_itd,
           coalesce(r.currency, t.currency) AS reporting_currency,
           r.account_id IS NULL AND d.currency IS NOT DISTINCT FROM t.currency AS is_domestic,
           r.status AS r_status, r.begin_date AS r_begin_date, r.inception_date AS r_inception_date,
           r.twrr_daily AS r_daily, r.twrr_mtd AS r_mtd, r.twrr_qtd AS r_qtd, r.twrr_ytd AS r_ytd,
           r.twrr_itd AS r_itd
    FROM marts.account_performance_daily d
    LEFT JOIN marts.account_performance_reporting r USING (tenant_id, account_id, as_of_date)
    LEFT JOIN marts.group_performance_daily t ON t.tenant_id = d.tenant_id AND t.group_type = 'tenant'
        AND t.group_id = d.tenant_id AND t.as_of_date = d.as_of_date
), compared AS (
    SELECT tenant_id, account_id, as_of_date, currency AS local_currency, reporting_currency, status,
           CASE WHEN is_domestic THEN status ELSE coalesce(r_status, 'not_converted') END AS base_status,
           twrr_daily AS local_daily, twrr_mtd AS local_mtd, twrr_qtd AS local_qtd, twrr_ytd AS local_ytd,
           twrr_itd AS local_itd,
           CASE WHEN is_domestic THEN twrr_daily WHEN r_begin_date = begin_date THEN r_daily END AS base_daily,
           CASE WHEN is_domestic THEN twrr_mtd WHEN r_inception_date = inception_date THEN r_mtd END AS base_mtd,
           CASE WHEN is_domestic THEN twrr_qtd WHEN r_inception_date = inception_date THEN r_qtd END AS base_qtd,
           CASE WHEN is_domestic THEN twrr_ytd WHEN r_inception_date = inception_date THEN r_ytd END AS base_ytd,
           CASE WHEN is_domestic THEN twrr_itd WHEN r_inception_date = inception_date THEN r_itd END AS base_itd
    FROM beside
)
SELECT tenant_id, account_id, as_of_date, local_currency, reporting_currency, status, base_status,
       local_daily, (1 + base_daily) / nullif(1 + local_daily, 0) - 1 AS currency_daily, base_daily,
       base_daily - local_daily AS effect_daily,
       local_mtd, (1 + base_mtd) / nullif(1 + local_mtd, 0) - 1 AS currency_mtd, base_mtd,
       base_mtd - local_mtd AS effect_mtd,
       local_qtd, (1 + base_qtd) / nullif(1 + local_qtd, 0) - 1 AS currency_qtd, base_qtd,
       base_qtd - local_qtd AS effect_qtd,
       local_ytd, (1 + base_ytd) / nullif(1 + local_ytd, 0) - 1 AS currency_ytd, base_ytd,
       base_ytd - local_ytd AS effect_ytd,
       local_itd, (1 + base_itd) / nullif(1 + local_itd, 0) - 1 AS currency_itd, base_itd,
       base_itd - local_itd AS effect_itd
FROM compared;
COMMENT ON VIEW marts.account_currency_return IS
    'Per account and date the return in its own currency (local), what the currency did, and the return in the'
    ' reporting currency (base): base = (1 + local)(1 + currency) - 1, effect = base - local. Of an account that is'
    ' measured in the reporting currency base is local, and currency and effect are 0.';
COMMENT ON COLUMN marts.account_currency_return.tenant_id IS 'The client firm: the folder in landing.';
COMMENT ON COLUMN marts.account_currency_return.account_id IS 'The firm''s own account identifier.';
COMMENT ON COLUMN marts.account_currency_return.as_of_date IS 'Date of the account''s row.';
COMMENT ON COLUMN marts.account_currency_return.local_currency IS 'Base currency of the account.';
COMMENT ON COLUMN marts.account_currency_return.reporting_currency IS 'Reporting currency of the tenant.';
COMMENT ON COLUMN marts.account_currency_return.status IS 'Status of the row in the account''s own currency.';
COMMENT ON COLUMN marts.account_currency_return.base_status IS
    'Status of the row in the reporting currency: no_fx where a rate is missing, not_converted where there is no row.';
COMMENT ON COLUMN marts.account_currency_return.local_daily IS 'Net return of the row in the account''s own currency, a fraction.';
COMMENT ON COLUMN marts.account_currency_return.currency_daily IS 'What the currency earned beside it: (1 + base) / (1 + local) - 1.';
COMMENT ON COLUMN marts.account_currency_return.base_daily IS 'Net return of the row in the reporting currency, a fraction. NULL where the two rows cover different times.';
COMMENT ON COLUMN marts.account_currency_return.effect_daily IS 'base - local: the currency effect.';
COMMENT ON COLUMN marts.account_currency_return.local_mtd IS 'Net return of the month so far in the account''s own currency, a fraction.';
COMMENT ON COLUMN marts.account_currency_return.currency_mtd IS 'What the currency earned beside it: (1 + base) / (1 + local) - 1.';
COMMENT ON COLUMN marts.account_currency_return.base_mtd IS 'Net return of the month so far in the reporting currency, a fraction. NULL where the two tracks began on different days.';
COMMENT ON COLUMN marts.account_currency_return.effect_mtd IS 'base - local: the currency effect.';
COMMENT ON COLUMN marts.account_currency_return.local_qtd IS 'Net return of the fiscal quarter so far in the account''s own currency, a fraction.';
COMMENT ON COLUMN marts.account_currency_return.currency_qtd IS 'What the currency earned beside it: (1 + base) / (1 + local) - 1.';
COMMENT ON COLUMN marts.account_currency_return.base_qtd IS 'Net return of the fiscal quarter so far in the reporting currency, a fraction. NULL where the two tracks began on different days.';
COMMENT ON COLUMN marts.account_currency_return.effect_qtd IS 'base - local: the currency effect.';
COMMENT ON COLUMN marts.account_currency_return.local_ytd IS 'Net return of the fiscal year so far in the account''s own currency, a fraction.';
COMMENT ON COLUMN marts.account_currency_return.currency_ytd IS 'What the currency earned beside it: (1 + base) / (1 + local) - 1.';
COMMENT ON COLUMN marts.account_currency_return.base_ytd IS 'Net return of the fiscal year so far in the reporting currency, a fraction. NULL where the two tracks began on different days.';
COMMENT ON COLUMN marts.account_currency_return.effect_ytd IS 'base - local: the currency effect.';
COMMENT ON COLUMN marts.account_currency_return.local_itd IS 'Net return of the track in the account''s own currency, a fraction.';
COMMENT ON COLUMN marts.account_currency_return.currency_itd IS 'What the currency earned beside it: (1 + base) / (1 + local) - 1.';
COMMENT ON COLUMN marts.account_currency_return.base_itd IS 'Net return of the track in the reporting currency, a fraction. NULL where the two tracks began on different days.';
COMMENT ON COLUMN marts.account_currency_return.effect_itd IS 'base - local: the currency effect.';
GRANT SELECT ON marts.account_currency_return TO dietz_analyst;

-- 3. Calendar returns of groups, as marts.account_calendar_return.
CREATE VIEW marts.group_calendar_return WITH (security_invoker) AS
WITH months AS (
    -- The date's daily row says which track it belongs to: a later track does not go on from an earlier one.
    SELECT p.*, d.track_no, d.inception_date
    FROM marts.group_performance_period p
    JOIN marts.group_performance_daily d USING (tenant_id, group_type, group_id, as_of_date)
    WHERE p.period = 'MTD' AND p.status = 'ok'
), placed AS (
    SELECT m.*, grain.name AS calendar_period, date_trunc(grain.name, m.as_of_date)::date AS period_start,
           max(m.track_no) OVER (
               PARTITION BY m.tenant_id, m.group_type, m.group_id, grain.name, date_trunc(grain.name, m.as_of_date)) AS last_track
    FROM months m CROSS JOIN (VALUES ('month'), ('quarter'), ('year')) AS grain (name)
)
SELECT tenant_id, group_type, group_id, calendar_period, period_start, max(as_of_date) AS as_of_date, min(start_date) AS start_date,
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
GROUP BY tenant_id, group_type, group_id, calendar_period, period_start;
COMMENT ON VIEW marts.group_calendar_return IS
    'Return of each group in each calendar month, quarter and year, up to its last row in it; linked within a track.';
COMMENT ON COLUMN marts.group_calendar_return.tenant_id IS 'The client firm: the folder in landing.';
COMMENT ON COLUMN marts.group_calendar_return.group_type IS 'household, advisor, model, tenant or composite.';
COMMENT ON COLUMN marts.group_calendar_return.group_id IS 'The group; of the group tenant the tenant_id.';
COMMENT ON COLUMN marts.group_calendar_return.calendar_period IS 'month, quarter or year.';
COMMENT ON COLUMN marts.group_calendar_return.period_start IS 'First day of the month, quarter or year.';
COMMENT ON COLUMN marts.group_calendar_return.as_of_date IS 'The group''s last row in it: the period may not have ended yet.';
COMMENT ON COLUMN marts.group_calendar_return.start_date IS 'Where the return starts: the date of the row before its first one.';
COMMENT ON COLUMN marts.group_calendar_return.begin_market_value IS 'Market value at start_date.';
COMMENT ON COLUMN marts.group_calendar_return.net_flow IS 'External flows of its rows.';
COMMENT ON COLUMN marts.group_calendar_return.fees IS 'Fees of its rows, positive for a charge.';
COMMENT ON COLUMN marts.group_calendar_return.end_market_value IS 'Market value on as_of_date.';
COMMENT ON COLUMN marts.group_calendar_return.gain_loss IS 'end_market_value - begin_market_value - net_flow.';
COMMENT ON COLUMN marts.group_calendar_return.twrr IS 'Net returns of the track linked over its rows, a fraction.';
COMMENT ON COLUMN marts.group_calendar_return.twrr_gross IS 'As twrr, before fees.';
COMMENT ON COLUMN marts.group_calendar_return.is_partial IS 'Whether the track began after the period did.';
GRANT SELECT ON marts.group_calendar_return TO dietz_analyst;

-- 4. Statistics of composites beside their periods.
CREATE TABLE marts.composite_statistics (
    tenant_id text NOT NULL,
    group_type text NOT NULL,
    group_id text NOT NULL,
    as_of_date date NOT NULL,
    period text NOT NULL,
    members integer,
    full_period_members integer,
    dispersion_equal_weighted double precision,
    dispersion_asset_weighted double precision,
    high double precision,
    low double precision,
    composite_assets numeric(28,8),
    firm_assets numeric(28,8),
    share_of_firm double precision,
    epoch integer NOT NULL,
    run_id text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, group_type, group_id, as_of_date, period)
);
COMMENT ON COLUMN marts.composite_statistics.published_at IS 'When this version of the row became visible.';
SELECT security.protect('marts.composite_statistics');
GRANT SELECT ON marts.composite_statistics TO dietz_analyst;
