-- The two group roles. Roles belong to the cluster, not to the database, so this runs before the migrations of
-- every database and must bear being run again, also by two databases at once.
--   dietz_loader   owns every object and writes; the pipeline's login is a member of it
--   dietz_analyst  reads marts and history under row-level security; analysts' logins are members of it
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['dietz_loader', 'dietz_analyst'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database's migration was quicker
            END;
        END IF;
    END LOOP;
    IF NOT pg_has_role(current_user, 'dietz_loader', 'member') THEN
        EXECUTE format('GRANT dietz_loader TO %I', current_user);
    END IF;
    EXECUTE format('GRANT CREATE, TEMPORARY, CONNECT ON DATABASE %I TO dietz_loader', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO dietz_analyst', current_database());
END
$$;
