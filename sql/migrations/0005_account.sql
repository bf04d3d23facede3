-- The account master as it is now.
CREATE TABLE marts.account (
    tenant_id text NOT NULL,
    account_id text NOT NULL,
    account_name text,
    base_currency text,
    opened_on date,
    closed_on date,
    household_id text,
    advisor_id text,
    model_id text,
    benchmark_id text,
    flow_timing text,
    in_performance boolean NOT NULL,
    effective_from date NOT NULL,
    source_vendor text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id)
);
SELECT security.protect('marts.account');
GRANT SELECT ON marts.account TO dietz_analyst;
COMMENT ON COLUMN marts.account.source_vendor IS 'Vendor whose record this is: the one that the tenant puts first.';
COMMENT ON COLUMN marts.account.published_at IS 'When this version of the row became visible.';
