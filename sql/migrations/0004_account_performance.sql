-- The daily performance of every account, what it said before it was restated, and the epochs that fence the two.
-- Comments of tables and columns that schemas/*.yaml describes come from there (`published_as`) on every migration.
CREATE TABLE marts.account_performance_daily (
    tenant_id text NOT NULL,
    account_id text NOT NULL,
    as_of_date date NOT NULL,
    currency text,
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
    PRIMARY KEY (tenant_id, account_id, as_of_date)
) PARTITION BY RANGE (as_of_date);
COMMENT ON COLUMN marts.account_performance_daily.published_at IS 'When this version of the row became visible.';
SELECT security.protect('marts.account_performance_daily');
GRANT SELECT ON marts.account_performance_daily TO dietz_analyst;

CREATE TABLE history.account_performance_daily (
    LIKE marts.account_performance_daily,
    known_from timestamptz NOT NULL,
    known_to timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id, as_of_date, known_from)
);
COMMENT ON TABLE history.account_performance_daily IS
    'Rows of marts.account_performance_daily that were published once and have been superseded since.';
COMMENT ON COLUMN history.account_performance_daily.published_at IS 'When this version of the row became visible.';
COMMENT ON COLUMN history.account_performance_daily.known_from IS 'From this moment on the row was what we reported.';
COMMENT ON COLUMN history.account_performance_daily.known_to IS 'Until this moment; the row that replaced it counts from here.';
SELECT security.protect('history.account_performance_daily');
GRANT SELECT ON history.account_performance_daily TO dietz_analyst;

-- The fence: a row of an older epoch never comes back, also where the newer epoch has no row for its date.
CREATE TABLE ops.account_epoch (
    tenant_id text NOT NULL,
    account_id text NOT NULL,
    epoch integer NOT NULL,
    from_date date NOT NULL,
    PRIMARY KEY (tenant_id, account_id, epoch)
);
COMMENT ON TABLE ops.account_epoch IS
    'One row per published epoch of an account after its first: rows of older epochs are superseded from from_date on.';
COMMENT ON COLUMN ops.account_epoch.tenant_id IS 'The client firm.';
COMMENT ON COLUMN ops.account_epoch.account_id IS 'The firm''s own account identifier.';
COMMENT ON COLUMN ops.account_epoch.epoch IS 'Version of the account''s history, from 2.';
COMMENT ON COLUMN ops.account_epoch.from_date IS 'First date whose rows the epoch supersedes.';
