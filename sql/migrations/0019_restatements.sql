-- What schemas/ said when the tables were last brought to it: another fingerprint means that columns may be missing.
CREATE TABLE ops.schema_fingerprint (
    fingerprint text NOT NULL
);
COMMENT ON TABLE ops.schema_fingerprint IS 'One row: which schemas/ the published tables were last brought to.';
COMMENT ON COLUMN ops.schema_fingerprint.fingerprint IS 'SHA-256 over the files of schemas/.';

-- The settings that a tenant's published numbers were made with: a change of them recalculates nothing by itself.
CREATE TABLE ops.tenant_policy (
    tenant_id text PRIMARY KEY,
    settings jsonb NOT NULL,
    through date NOT NULL,
    run_id text NOT NULL
);
COMMENT ON TABLE ops.tenant_policy IS 'Settings and holidays that the published numbers of a tenant were made with.';
COMMENT ON COLUMN ops.tenant_policy.tenant_id IS 'The client firm.';
COMMENT ON COLUMN ops.tenant_policy.settings IS 'What conf/tenants and conf/calendars said, as far as numbers depend on it.';
COMMENT ON COLUMN ops.tenant_policy.through IS 'Holidays up to this day are in settings: those to come change no number.';
COMMENT ON COLUMN ops.tenant_policy.run_id IS 'The run that published with them.';

-- Who may write to the lake and publish: the attempt of a step that began last.
CREATE TABLE ops.writer (
    ledger_id uuid NOT NULL DEFAULT gen_random_uuid(),
    fence bigint NOT NULL DEFAULT 0,
    run_id text,
    step text,
    claimed_at timestamptz
);
INSERT INTO ops.writer DEFAULT VALUES;
COMMENT ON TABLE ops.writer IS 'One row: which attempt of a step may write. Whoever began before it is refused.';
COMMENT ON COLUMN ops.writer.ledger_id IS 'Identifier of this ledger, under which its numbers are known to the lake.';
COMMENT ON COLUMN ops.writer.fence IS 'Number of that attempt; each one has the next.';
COMMENT ON COLUMN ops.writer.run_id IS 'Its run.';
COMMENT ON COLUMN ops.writer.step IS 'Its step.';
COMMENT ON COLUMN ops.writer.claimed_at IS 'When it began.';
