-- Who sees which tenant. Decided by role membership: a setting that a session can change itself would protect nothing.
CREATE TABLE security.tenant_member (
    role_name name NOT NULL,
    tenant_id text NOT NULL,
    PRIMARY KEY (role_name, tenant_id)
);
COMMENT ON TABLE security.tenant_member IS
    'One row per role and tenant that it may see: a login role, or a group role for all its members.';
COMMENT ON COLUMN security.tenant_member.role_name IS 'A database role; one that no longer exists gives nothing.';
COMMENT ON COLUMN security.tenant_member.tenant_id IS 'The client firm that the role may see.';

-- The list of tenants is the client list: an analyst sees only the rows about roles of their own.
ALTER TABLE security.tenant_member ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY loader ON security.tenant_member TO dietz_loader USING (true) WITH CHECK (true);
CREATE POLICY own_roles ON security.tenant_member FOR SELECT USING (
    EXISTS (SELECT FROM pg_roles r WHERE r.rolname = role_name AND pg_has_role(r.oid, 'member')));
GRANT SELECT ON security.tenant_member TO dietz_analyst;

-- Every table with a tenant_id that analysts may reach is protected by this one policy, partitions and history too:
-- a partition that is queried directly does not ask its parent's policy.
CREATE FUNCTION security.protect(protected regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', protected);
    EXECUTE format('CREATE POLICY loader ON %s TO dietz_loader USING (true) WITH CHECK (true)', protected);
    -- ARRAY(...) is evaluated once per statement and usable by the index; IN (SELECT ...) is not.
    EXECUTE format(
        'CREATE POLICY own_tenants ON %s FOR SELECT USING (tenant_id = ANY (ARRAY('
        'SELECT m.tenant_id FROM security.tenant_member m JOIN pg_roles r ON r.rolname = m.role_name'
        ' WHERE pg_has_role(r.oid, ''member''))))', protected);
END
$$;
COMMENT ON FUNCTION security.protect(regclass) IS
    'Puts a table under row-level security by its tenant_id; for migrations and for new partitions.';
REVOKE ALL ON FUNCTION security.protect(regclass) FROM PUBLIC;
