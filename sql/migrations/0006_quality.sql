-- What an operator or analyst must know about a night beside its numbers: breaks, quarantine, holds, checks, status.
CREATE TABLE marts.reconciliation_break (
    tenant_id text NOT NULL,
    break_id text NOT NULL,
    account_id text NOT NULL,
    as_of_date date NOT NULL,
    source_vendor text NOT NULL,
    type text NOT NULL,
    ours double precision,
    theirs double precision,
    difference numeric(28,8),
    difference_bps double precision,
    severity text,
    state text NOT NULL,
    first_seen_on date NOT NULL,
    last_seen_on date NOT NULL,
    reason text NOT NULL,
    run_id text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, break_id)
);
CREATE INDEX reconciliation_break_account ON marts.reconciliation_break (tenant_id, account_id, as_of_date);
SELECT security.protect('marts.reconciliation_break');
GRANT SELECT ON marts.reconciliation_break TO dietz_analyst;
COMMENT ON COLUMN marts.reconciliation_break.published_at IS 'When this version of the row became visible.';

CREATE TABLE marts.quarantined_row (
    tenant_id text NOT NULL,
    file_id text NOT NULL,
    line_no bigint NOT NULL,
    record_no integer NOT NULL,
    target text NOT NULL,
    vendor text,
    feed text,
    account_id text,
    failed_rules text NOT NULL,
    raw text,
    waits_for text,
    state text NOT NULL,
    mapping_version text,
    run_no bigint NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, file_id, line_no, record_no, target)
);
SELECT security.protect('marts.quarantined_row');
GRANT SELECT ON marts.quarantined_row TO dietz_analyst;
COMMENT ON COLUMN marts.quarantined_row.published_at IS 'When this version of the row became visible.';

CREATE TABLE marts.held_account (
    tenant_id text NOT NULL,
    account_id text NOT NULL,
    as_of_date date NOT NULL,
    rule text NOT NULL,
    reason text NOT NULL,
    severity text NOT NULL,
    state text NOT NULL,
    run_id text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id, as_of_date, rule)
);
SELECT security.protect('marts.held_account');
GRANT SELECT ON marts.held_account TO dietz_analyst;
COMMENT ON COLUMN marts.held_account.published_at IS 'When this version of the row became visible.';

-- Rows of a held account stay in the lake; this remembers from which version on they are to be looked up when the
-- account is released.
CREATE TABLE ops.held_back (
    table_name text NOT NULL,
    tenant_id text NOT NULL,
    account_id text NOT NULL,
    lake_version bigint NOT NULL,
    PRIMARY KEY (table_name, tenant_id, account_id)
);
COMMENT ON TABLE ops.held_back IS 'One row per account whose rows a publication left out because the account was held.';
COMMENT ON COLUMN ops.held_back.table_name IS 'Published table, schema.table.';
COMMENT ON COLUMN ops.held_back.tenant_id IS 'The client firm.';
COMMENT ON COLUMN ops.held_back.account_id IS 'The firm''s own account identifier.';
COMMENT ON COLUMN ops.held_back.lake_version IS 'Last Delta version before the rows that were left out.';

CREATE TABLE marts.data_quality_result (
    tenant_id text NOT NULL,
    vendor text NOT NULL,
    feed text NOT NULL,
    table_name text NOT NULL,
    rule text NOT NULL,
    column_name text NOT NULL,
    severity text NOT NULL,
    success boolean NOT NULL,
    observed double precision,
    expected_value text NOT NULL,
    rows_checked bigint NOT NULL,
    rows_failed bigint NOT NULL,
    run_no bigint NOT NULL,
    run_id text NOT NULL,
    business_date date NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, vendor, feed, table_name, rule, column_name, run_no)
);
SELECT security.protect('marts.data_quality_result');
GRANT SELECT ON marts.data_quality_result TO dietz_analyst;
COMMENT ON COLUMN marts.data_quality_result.published_at IS 'When this version of the row became visible.';

CREATE TABLE marts.night_status (
    tenant_id text NOT NULL,
    business_date date NOT NULL,
    source text NOT NULL,
    expected integer NOT NULL,
    received integer NOT NULL,
    reconciled integer NOT NULL,
    held integer NOT NULL,
    published integer NOT NULL,
    run_id text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, business_date, source)
);
SELECT security.protect('marts.night_status');
GRANT SELECT ON marts.night_status TO dietz_analyst;
COMMENT ON TABLE marts.night_status IS
    'One row per tenant, night and source: the row that another job waits on before it reads the night.';
COMMENT ON COLUMN marts.night_status.tenant_id IS 'The client firm.';
COMMENT ON COLUMN marts.night_status.business_date IS 'The night''s date.';
COMMENT ON COLUMN marts.night_status.source IS 'Vendor.';
COMMENT ON COLUMN marts.night_status.expected IS 'Feeds that the source has delivered to the tenant in the 31 days before.';
COMMENT ON COLUMN marts.night_status.received IS 'Feeds of it that came in and passed the gate for this night.';
COMMENT ON COLUMN marts.night_status.reconciled IS
    'Accounts of the tenant published for this date that have no open break against the source.';
COMMENT ON COLUMN marts.night_status.held IS 'Accounts of the tenant that are withheld.';
COMMENT ON COLUMN marts.night_status.published IS 'Accounts of the tenant published for this date.';
COMMENT ON COLUMN marts.night_status.run_id IS 'The run that published the night last.';
COMMENT ON COLUMN marts.night_status.published_at IS 'When the night became visible.';
