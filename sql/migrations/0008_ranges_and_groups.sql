-- The stored chain beside the returns, so that any range is two look-ups; the same marts for groups; periods and risk.

-- 1. The chain of an account. Rows that were published before this migration get it from their return since inception,
-- where that has it to twelve digits; after a total loss it has nothing left of it, and the chain stays NULL.
ALTER TABLE marts.account_performance_daily
    ADD COLUMN begin_date date,
    ADD COLUMN chain_net double precision,
    ADD COLUMN chain_gross double precision,
    ADD COLUMN wiped_out_on date,
    ADD COLUMN wiped_out_gross_on date;
ALTER TABLE history.account_performance_daily
    ADD COLUMN begin_date date,
    ADD COLUMN chain_net double precision,
    ADD COLUMN chain_gross double precision,
    ADD COLUMN wiped_out_on date,
    ADD COLUMN wiped_out_gross_on date;
UPDATE marts.account_performance_daily SET chain_net = 1 + twrr_itd, chain_gross = 1 + twrr_itd_gross
WHERE track_no IS NOT NULL AND twrr_itd > -0.9999 AND twrr_itd_gross > -0.9999;
UPDATE history.account_performance_daily SET chain_net = 1 + twrr_itd, chain_gross = 1 + twrr_itd_gross
WHERE track_no IS NOT NULL AND twrr_itd > -0.9999 AND twrr_itd_gross > -0.9999;

-- 2. The daily performance of groups.
CREATE TABLE marts.group_performance_daily (
    tenant_id text NOT NULL,
    group_type text NOT NULL,
    group_id text NOT NULL,
    as_of_date date NOT NULL,
    currency text,
    members integer,
    carried_members integer,
    begin_market_value numeric(28,8),
    contributions numeric(28,8),
    distributions numeric(28,8),
    net_flow numeric(28,8),
    cumulative_net_flow numeric(28,8),
    fees numeric(28,8),
    end_market_value numeric(28,8),
    gain_loss numeric(28,8),
    weighted_capital numeric(28,8),
    days integer,
    method text,
    twrr_daily double precision,
    twrr_daily_gross double precision,
    twrr_mtd double precision,
    twrr_qtd double precision,
    twrr_ytd double precision,
    twrr_itd double precision,
    twrr_mtd_gross double precision,
    twrr_qtd_gross double precision,
    twrr_ytd_gross double precision,
    twrr_itd_gross double precision,
    track_no integer,
    inception_date date,
    status text NOT NULL,
    quality_flags text NOT NULL,
    epoch integer NOT NULL,
    run_id text NOT NULL,
    published_at timestamptz NOT NULL,
    begin_date date,
    chain_net double precision,
    chain_gross double precision,
    wiped_out_on date,
    wiped_out_gross_on date,
    PRIMARY KEY (tenant_id, group_type, group_id, as_of_date)
) PARTITION BY RANGE (as_of_date);
COMMENT ON COLUMN marts.group_performance_daily.published_at IS 'When this version of the row became visible.';
SELECT security.protect('marts.group_performance_daily');
GRANT SELECT ON marts.group_performance_daily TO dietz_analyst;

CREATE TABLE history.group_performance_daily (
    LIKE marts.group_performance_daily,
    known_from timestamptz NOT NULL,
    known_to timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, group_type, group_id, as_of_date, known_from)
);
COMMENT ON TABLE history.group_performance_daily IS
    'Rows of marts.group_performance_daily that were published once and have been superseded since.';
COMMENT ON COLUMN history.group_performance_daily.published_at IS 'When this version of the row became visible.';
COMMENT ON COLUMN history.group_performance_daily.known_from IS 'From this moment on the row was what we reported.';
COMMENT ON COLUMN history.group_performance_daily.known_to IS
    'Until this moment; the row that replaced it counts from here.';
SELECT security.protect('history.group_performance_daily');
GRANT SELECT ON history.group_performance_daily TO dietz_analyst;

-- 3. Periods and risk: each account's or group's latest row and its month-ends. Small beside the daily rows, and
-- rewritten by key every night, so not partitioned.
CREATE TABLE marts.account_performance_period (
    tenant_id text NOT NULL,
    account_id text NOT NULL,
    as_of_date date NOT NULL,
    period text NOT NULL,
    start_date date,
    begin_market_value numeric(28,8),
    net_flow numeric(28,8),
    fees numeric(28,8),
    end_market_value numeric(28,8),
    gain_loss numeric(28,8),
    twrr double precision,
    twrr_gross double precision,
    twrr_annualised double precision,
    mwr double precision,
    modified_dietz double precision,
    is_partial boolean,
    status text NOT NULL,
    mwr_status text,
    epoch integer NOT NULL,
    run_id text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id, as_of_date, period)
);
COMMENT ON COLUMN marts.account_performance_period.published_at IS 'When this version of the row became visible.';
SELECT security.protect('marts.account_performance_period');
GRANT SELECT ON marts.account_performance_period TO dietz_analyst;

CREATE TABLE marts.group_performance_period (
    tenant_id text NOT NULL,
    group_type text NOT NULL,
    group_id text NOT NULL,
    as_of_date date NOT NULL,
    period text NOT NULL,
    members integer,
    carried_members integer,
    start_date date,
    begin_market_value numeric(28,8),
    net_flow numeric(28,8),
    fees numeric(28,8),
    end_market_value numeric(28,8),
    gain_loss numeric(28,8),
    twrr double precision,
    twrr_gross double precision,
    twrr_annualised double precision,
    mwr double precision,
    modified_dietz double precision,
    is_partial boolean,
    status text NOT NULL,
    mwr_status text,
    epoch integer NOT NULL,
    run_id text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, group_type, group_id, as_of_date, period)
);
COMMENT ON COLUMN marts.group_performance_period.published_at IS 'When this version of the row became visible.';
SELECT security.protect('marts.group_performance_period');
GRANT SELECT ON marts.group_performance_period TO dietz_analyst;

CREATE TABLE marts.account_risk (
    tenant_id text NOT NULL,
    account_id text NOT NULL,
    as_of_date date NOT NULL,
    window_name text NOT NULL,
    frequency text NOT NULL,
    observations integer,
    volatility double precision,
    downside_deviation double precision,
    sharpe double precision,
    sortino double precision,
    calmar double precision,
    max_drawdown double precision,
    drawdown_peak_date date,
    drawdown_trough_date date,
    drawdown_recovery_date date,
    current_drawdown double precision,
    var_95 double precision,
    var_99 double precision,
    expected_shortfall_95 double precision,
    expected_shortfall_99 double precision,
    skewness double precision,
    kurtosis double precision,
    win_rate double precision,
    best double precision,
    worst double precision,
    longest_gain_streak integer,
    longest_loss_streak integer,
    benchmark_id text,
    beta double precision,
    alpha double precision,
    correlation double precision,
    r_squared double precision,
    tracking_error double precision,
    information_ratio double precision,
    up_capture double precision,
    down_capture double precision,
    batting_average double precision,
    status text NOT NULL,
    epoch integer NOT NULL,
    run_id text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id, as_of_date, window_name, frequency)
);
COMMENT ON COLUMN marts.account_risk.published_at IS 'When this version of the row became visible.';
SELECT security.protect('marts.account_risk');
GRANT SELECT ON marts.account_risk TO dietz_analyst;

-- 4. The return over any range at any knowledge date, as a look-up of two rows of the chain. What it costs is the
-- planning of partitions: so the functions dissolve in the query that calls them, where constants leave few partitions,
-- and look at the 40 days up to to_date and at the week up to from_date. What is seldom needed beside is asked of the
-- same function by a name that does not dissolve, being STRICT: planned when it is called, and not called with a NULL.
-- greatest() rather than coalesce() where rows are chosen: PostgreSQL knows it as leakproof and uses it in the index.
CREATE FUNCTION marts.account_row(
    tenant_id text, account_id text, after date, through date, known_at timestamptz, in_chain boolean
) RETURNS TABLE (
    as_of_date date, status text, track_no integer, inception_date date,
    chain_net double precision, chain_gross double precision, wiped_out_on date, wiped_out_gross_on date
) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH published AS (
        SELECT d.as_of_date, d.status, d.track_no, d.inception_date, d.chain_net, d.chain_gross, d.wiped_out_on,
               d.wiped_out_gross_on
        FROM marts.account_performance_daily d
        WHERE d.tenant_id = account_row.tenant_id AND d.account_id = account_row.account_id
        AND d.as_of_date > after AND d.as_of_date <= through AND d.published_at <= known_at
        AND (d.track_no IS NOT NULL OR NOT in_chain)
        ORDER BY d.as_of_date DESC LIMIT 1
    )
    SELECT * FROM published
    UNION ALL (
        SELECT h.as_of_date, h.status, h.track_no, h.inception_date, h.chain_net, h.chain_gross, h.wiped_out_on,
               h.wiped_out_gross_on
        FROM history.account_performance_daily h
        WHERE h.tenant_id = account_row.tenant_id AND h.account_id = account_row.account_id
        AND h.as_of_date > greatest((SELECT p.as_of_date FROM published p), after) AND h.as_of_date <= through
        AND h.known_from <= known_at AND h.known_to > known_at
        AND (h.track_no IS NOT NULL OR NOT in_chain)
        ORDER BY h.as_of_date DESC LIMIT 1
    )
    ORDER BY as_of_date DESC LIMIT 1
$$;
COMMENT ON FUNCTION marts.account_row(text, text, date, date, timestamptz, boolean) IS
    'The account''s last row dated after `after`, up to `through`, as published at known_at; in_chain: with a track.';

CREATE FUNCTION marts.account_row_apart(
    tenant_id text, account_id text, after date, through date, known_at timestamptz, in_chain boolean
) RETURNS TABLE (
    as_of_date date, status text, track_no integer, inception_date date,
    chain_net double precision, chain_gross double precision, wiped_out_on date, wiped_out_gross_on date
) LANGUAGE sql STABLE STRICT PARALLEL SAFE ROWS 1 AS $$
    SELECT * FROM marts.account_row(
        account_row_apart.tenant_id, account_row_apart.account_id, after, through, known_at,
        in_chain)
$$;
COMMENT ON FUNCTION marts.account_row_apart(text, text, date, date, timestamptz, boolean) IS
    'marts.account_row, planned when it is called.';

CREATE FUNCTION marts.twrr(
    tenant_id text, account_id text, from_date date, to_date date, known_at timestamptz DEFAULT now()
) RETURNS TABLE (twrr double precision, twrr_gross double precision, status text, start_date date, end_date date)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN j.status <> 'ok' THEN NULL WHEN e.wiped_out_on > j.start_date THEN -1
                ELSE e.chain_net / coalesce(b.chain_net, 1) - 1 END,
           CASE WHEN j.status <> 'ok' THEN NULL WHEN e.wiped_out_gross_on > j.start_date THEN -1
                ELSE e.chain_gross / coalesce(b.chain_gross, 1) - 1 END,
           j.status,
           CASE WHEN j.status = 'ok' THEN j.start_date END,
           e.as_of_date
    FROM (SELECT) one
    LEFT JOIN LATERAL marts.account_row(
        twrr.tenant_id, twrr.account_id,
        greatest(from_date, to_date - 40), to_date, known_at, true) near ON true
    LEFT JOIN LATERAL (
        SELECT near.* WHERE near.as_of_date IS NOT NULL
        UNION ALL
        SELECT * FROM marts.account_row_apart(
            twrr.tenant_id, twrr.account_id, from_date,
            CASE WHEN near.as_of_date IS NULL AND from_date < to_date - 40 THEN to_date - 40 END, known_at, true)
    ) e ON true
    LEFT JOIN LATERAL marts.account_row(
        twrr.tenant_id, twrr.account_id, from_date - 8, from_date, known_at, true) w ON true
    -- Tracks follow one another: where the last row of the week is of another track, none of it is of this one.
    LEFT JOIN LATERAL (SELECT w.as_of_date, w.chain_net, w.chain_gross WHERE w.track_no = e.track_no) b ON true
    LEFT JOIN LATERAL marts.account_row_apart(
        twrr.tenant_id, twrr.account_id, from_date,
        CASE WHEN b.as_of_date IS NULL AND e.inception_date = from_date + 1 THEN from_date + 1 END,
        known_at, true) first ON true
    LEFT JOIN LATERAL marts.account_row_apart(
        twrr.tenant_id, twrr.account_id, from_date,
        CASE WHEN e.as_of_date IS NULL THEN to_date END, known_at, false) other ON true
    CROSS JOIN LATERAL (
        SELECT coalesce(b.as_of_date, from_date) AS start_date,
               CASE WHEN from_date >= to_date THEN 'no_period'
                    WHEN e.as_of_date IS NULL THEN coalesce(other.status, 'not_published')
                    WHEN b.as_of_date IS NULL AND (e.inception_date <> from_date + 1 OR first.status = 'opening')
                    THEN 'insufficient_history'
                    WHEN e.chain_net IS NULL OR (b.as_of_date IS NOT NULL AND b.chain_net IS NULL)
                    THEN 'not_published'
                    ELSE 'ok' END AS status) j
$$;
COMMENT ON FUNCTION marts.twrr(text, text, date, date, timestamptz) IS
    'Return of an account from the end of from_date to its last row up to to_date, as published at known_at;'
    ' NULL where the status is not ok.';

CREATE FUNCTION marts.group_row(
    tenant_id text, group_type text, group_id text, after date, through date, known_at timestamptz, in_chain boolean
) RETURNS TABLE (
    as_of_date date, status text, track_no integer, inception_date date,
    chain_net double precision, chain_gross double precision, wiped_out_on date, wiped_out_gross_on date
) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH published AS (
        SELECT d.as_of_date, d.status, d.track_no, d.inception_date, d.chain_net, d.chain_gross, d.wiped_out_on,
               d.wiped_out_gross_on
        FROM marts.group_performance_daily d
        WHERE d.tenant_id = group_row.tenant_id AND d.group_type = group_row.group_type
        AND d.group_id = group_row.group_id
        AND d.as_of_date > after AND d.as_of_date <= through AND d.published_at <= known_at
        AND (d.track_no IS NOT NULL OR NOT in_chain)
        ORDER BY d.as_of_date DESC LIMIT 1
    )
    SELECT * FROM published
    UNION ALL (
        SELECT h.as_of_date, h.status, h.track_no, h.inception_date, h.chain_net, h.chain_gross, h.wiped_out_on,
               h.wiped_out_gross_on
        FROM history.group_performance_daily h
        WHERE h.tenant_id = group_row.tenant_id AND h.group_type = group_row.group_type
        AND h.group_id = group_row.group_id
        AND h.as_of_date > greatest((SELECT p.as_of_date FROM published p), after) AND h.as_of_date <= through
        AND h.known_from <= known_at AND h.known_to > known_at
        AND (h.track_no IS NOT NULL OR NOT in_chain)
        ORDER BY h.as_of_date DESC LIMIT 1
    )
    ORDER BY as_of_date DESC LIMIT 1
$$;
COMMENT ON FUNCTION marts.group_row(text, text, text, date, date, timestamptz, boolean) IS
    'The group''s last row dated after `after`, up to `through`, as published at known_at; in_chain: with a track.';

CREATE FUNCTION marts.group_row_apart(
    tenant_id text, group_type text, group_id text, after date, through date, known_at timestamptz, in_chain boolean
) RETURNS TABLE (
    as_of_date date, status text, track_no integer, inception_date date,
    chain_net double precision, chain_gross double precision, wiped_out_on date, wiped_out_gross_on date
) LANGUAGE sql STABLE STRICT PARALLEL SAFE ROWS 1 AS $$
    SELECT * FROM marts.group_row(
        group_row_apart.tenant_id, group_row_apart.group_type, group_row_apart.group_id, after, through, known_at,
        in_chain)
$$;
COMMENT ON FUNCTION marts.group_row_apart(text, text, text, date, date, timestamptz, boolean) IS
    'marts.group_row, planned when it is called.';

CREATE FUNCTION marts.group_twrr(
    tenant_id text, group_type text, group_id text, from_date date, to_date date, known_at timestamptz DEFAULT now()
) RETURNS TABLE (twrr double precision, twrr_gross double precision, status text, start_date date, end_date date)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN j.status <> 'ok' THEN NULL WHEN e.wiped_out_on > j.start_date THEN -1
                ELSE e.chain_net / coalesce(b.chain_net, 1) - 1 END,
           CASE WHEN j.status <> 'ok' THEN NULL WHEN e.wiped_out_gross_on > j.start_date THEN -1
                ELSE e.chain_gross / coalesce(b.chain_gross, 1) - 1 END,
           j.status,
           CASE WHEN j.status = 'ok' THEN j.start_date END,
           e.as_of_date
    FROM (SELECT) one
    LEFT JOIN LATERAL marts.group_row(
        group_twrr.tenant_id, group_twrr.group_type, group_twrr.group_id,
        greatest(from_date, to_date - 40), to_date, known_at, true) near ON true
    LEFT JOIN LATERAL (
        SELECT near.* WHERE near.as_of_date IS NOT NULL
        UNION ALL
        SELECT * FROM marts.group_row_apart(
            group_twrr.tenant_id, group_twrr.group_type, group_twrr.group_id, from_date,
            CASE WHEN near.as_of_date IS NULL AND from_date < to_date - 40 THEN to_date - 40 END, known_at, true)
    ) e ON true
    LEFT JOIN LATERAL marts.group_row(
        group_twrr.tenant_id, group_twrr.group_type, group_twrr.group_id,
        from_date - 8, from_date, known_at, true) w ON true
    -- Tracks follow one another: where the last row of the week is of another track, none of it is of this one.
    LEFT JOIN LATERAL (SELECT w.as_of_date, w.chain_net, w.chain_gross WHERE w.track_no = e.track_no) b ON true
    LEFT JOIN LATERAL marts.group_row_apart(
        group_twrr.tenant_id, group_twrr.group_type, group_twrr.group_id, from_date,
        CASE WHEN b.as_of_date IS NULL AND e.inception_date = from_date + 1 THEN from_date + 1 END,
        known_at, true) first ON true
    LEFT JOIN LATERAL marts.group_row_apart(
        group_twrr.tenant_id, group_twrr.group_type, group_twrr.group_id, from_date,
        CASE WHEN e.as_of_date IS NULL THEN to_date END, known_at, false) other ON true
    CROSS JOIN LATERAL (
        SELECT coalesce(b.as_of_date, from_date) AS start_date,
               CASE WHEN from_date >= to_date THEN 'no_period'
                    WHEN e.as_of_date IS NULL THEN coalesce(other.status, 'not_published')
                    WHEN b.as_of_date IS NULL AND (e.inception_date <> from_date + 1 OR first.status = 'opening')
                    THEN 'insufficient_history'
                    WHEN e.chain_net IS NULL OR (b.as_of_date IS NOT NULL AND b.chain_net IS NULL)
                    THEN 'not_published'
                    ELSE 'ok' END AS status) j
$$;
COMMENT ON FUNCTION marts.group_twrr(text, text, text, date, date, timestamptz) IS
    'Return of a group from the end of from_date to its last row up to to_date, as published at known_at;'
    ' NULL where the status is not ok.';
