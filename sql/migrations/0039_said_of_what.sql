-- What a person could have seen when an account was released: what a run had found by then and not published is none of
-- it. And a run of one tenant takes what was said of that tenant's breaks only.
ALTER TABLE ops.hold_release ADD COLUMN seen_run_no bigint;
COMMENT ON COLUMN ops.hold_release.seen_run_no IS
    'The last run that was published when it was released; empty: not known, released with a version that did not write it.';
ALTER TABLE ops.break_event_carried ADD COLUMN tenant_id text;
COMMENT ON COLUMN ops.break_event_carried.tenant_id IS 'The tenant whose events it took; empty: those of all.';
