-- Who let a held account through, and why; the next run's check takes it up.
CREATE TABLE ops.hold_release (
    tenant_id text NOT NULL,
    account_id text NOT NULL,
    why text NOT NULL CHECK (btrim(why) <> ''),
    released_by text NOT NULL DEFAULT session_user,
    released_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    run_no bigint,
    PRIMARY KEY (tenant_id, account_id, released_at)
);
COMMENT ON TABLE ops.hold_release IS 'One row per release of a held account by a person.';
COMMENT ON COLUMN ops.hold_release.tenant_id IS 'The client firm.';
COMMENT ON COLUMN ops.hold_release.account_id IS 'The firm''s own account identifier.';
COMMENT ON COLUMN ops.hold_release.why IS 'The reason that was given.';
COMMENT ON COLUMN ops.hold_release.released_by IS 'Login of the database that released it.';
COMMENT ON COLUMN ops.hold_release.released_at IS 'When it was released.';
COMMENT ON COLUMN ops.hold_release.run_no IS 'The run that let the account through; NULL: the next run will.';
