-- What each account's benchmark returned over the account's periods, and the excess both ways.
CREATE TABLE marts.account_benchmark_return (
    tenant_id text NOT NULL,
    account_id text NOT NULL,
    as_of_date date NOT NULL,
    period text NOT NULL,
    start_date date,
    benchmark_id text,
    benchmarks integer NOT NULL,
    benchmark_basis text,
    benchmark_return double precision,
    benchmark_annualised double precision,
    excess_arithmetic double precision,
    excess_geometric double precision,
    excess_arithmetic_gross double precision,
    excess_geometric_gross double precision,
    status text NOT NULL,
    epoch integer NOT NULL,
    run_id text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id, as_of_date, period)
);
COMMENT ON COLUMN marts.account_benchmark_return.published_at IS 'When this version of the row became visible.';
SELECT security.protect('marts.account_benchmark_return');
GRANT SELECT ON marts.account_benchmark_return TO dietz_analyst;
