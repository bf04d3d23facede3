-- The fence of groups, as ops.account_epoch is that of accounts.
CREATE TABLE ops.group_epoch (
    tenant_id text NOT NULL,
    group_type text NOT NULL,
    group_id text NOT NULL,
    epoch integer NOT NULL,
    from_date date NOT NULL,
    PRIMARY KEY (tenant_id, group_type, group_id, epoch)
);
COMMENT ON TABLE ops.group_epoch IS
    'One row per published epoch of a group after its first: rows of older epochs are superseded from from_date on.';
COMMENT ON COLUMN ops.group_epoch.tenant_id IS 'The client firm.';
COMMENT ON COLUMN ops.group_epoch.group_type IS 'Kind of group.';
COMMENT ON COLUMN ops.group_epoch.group_id IS 'The group.';
COMMENT ON COLUMN ops.group_epoch.epoch IS 'Version of the group''s history, from 2.';
COMMENT ON COLUMN ops.group_epoch.from_date IS 'First date whose rows the epoch supersedes.';
