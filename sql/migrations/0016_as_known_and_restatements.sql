-- The marts as they were known at a time, and one row for every restatement.

-- 1. What is published now and what was superseded, together, give the state of any time; independent of the lake. The
-- history's columns stand in an order of their own, so the functions are made from the catalogue: whoever adds a column
-- to a mart and its history calls this again.
CREATE FUNCTION history.define_as_known(mart regclass, past regclass, name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $make$
DECLARE
    columns text;
BEGIN
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
    FROM pg_attribute WHERE attrelid = mart AND attnum > 0 AND NOT attisdropped;
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION marts.%I(known_at timestamptz) RETURNS SETOF %s'
        ' LANGUAGE sql STABLE PARALLEL SAFE AS $$'
        ' SELECT %s FROM %s WHERE published_at <= known_at'
        ' UNION ALL'
        ' SELECT %s FROM %s WHERE known_from <= known_at AND known_to > known_at'
        ' $$', name, mart, columns, mart, columns, past);
END
$make$;
COMMENT ON FUNCTION history.define_as_known(regclass, regclass, text) IS
    'Makes the function marts.<name>(known_at) of a mart and its history, by the columns that they have now.';
REVOKE ALL ON FUNCTION history.define_as_known(regclass, regclass, text) FROM PUBLIC;

SELECT history.define_as_known(
    'marts.account_performance_daily', 'history.account_performance_daily', 'account_performance_as_known');
SELECT history.define_as_known(
    'marts.group_performance_daily', 'history.group_performance_daily', 'group_performance_as_known');
COMMENT ON FUNCTION marts.account_performance_as_known(timestamptz) IS
    'marts.account_performance_daily as it was published at known_at: a row counts from its published_at until the row'
    ' that superseded it was published.';
COMMENT ON FUNCTION marts.group_performance_as_known(timestamptz) IS
    'marts.group_performance_daily as it was published at known_at: a row counts from its published_at until the row'
    ' that superseded it was published.';

-- 2. One row per restatement. Comments of the columns come from schemas/restatement.yaml.
CREATE TABLE marts.restatement (
    tenant_id text NOT NULL,
    restatement_id text NOT NULL,
    account_id text,
    group_type text,
    group_id text,
    epoch integer NOT NULL,
    currency text,
    from_date date NOT NULL,
    last_date date,
    rows_changed integer NOT NULL,
    value_change numeric(28,8),
    value_change_on date,
    return_change_bp double precision,
    return_change_of text,
    return_change_on date,
    materiality text,
    state text NOT NULL CHECK (state IN ('published', 'waiting', 'approved', 'withdrawn')),
    cause_kind text NOT NULL,
    file_id text,
    path text,
    line_no bigint,
    vendor text,
    feed text,
    cause text NOT NULL,
    run_id text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, restatement_id),
    CHECK ((account_id IS NULL) = (group_id IS NOT NULL))
);
CREATE INDEX restatement_waits ON marts.restatement (tenant_id) WHERE state IN ('waiting', 'approved');
CREATE INDEX restatement_account ON marts.restatement (tenant_id, account_id, epoch);
CREATE INDEX restatement_group ON marts.restatement (tenant_id, group_type, group_id, epoch) WHERE group_id IS NOT NULL;
SELECT security.protect('marts.restatement');
GRANT SELECT ON marts.restatement TO dietz_analyst;
COMMENT ON COLUMN marts.restatement.published_at IS
    'When this version of the row became visible; of a published restatement, when its figures did.';
