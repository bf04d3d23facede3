-- Who approves a restatement, closes a period or opens it again: the login that the session connected with, whatever role
-- it has taken since. Both records are append-only; the rules stand in triggers, so that they bind every road to the tables.

CREATE FUNCTION security.keep_for_ever() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION '%.% is a record: rows are added, never changed or removed', TG_TABLE_SCHEMA, TG_TABLE_NAME;
END
$$;
COMMENT ON FUNCTION security.keep_for_ever() IS 'Trigger of append-only tables: refuses UPDATE, DELETE and TRUNCATE.';
REVOKE ALL ON FUNCTION security.keep_for_ever() FROM PUBLIC;

-- 1. Closings
CREATE TABLE marts.period_closing (
    tenant_id text NOT NULL,
    closing_no bigint GENERATED ALWAYS AS IDENTITY,
    event text NOT NULL CHECK (event IN ('close', 'reopen')),
    through_date date NOT NULL,
    reopens bigint,
    login name NOT NULL,
    at timestamptz NOT NULL,
    why text NOT NULL,
    PRIMARY KEY (tenant_id, closing_no),
    UNIQUE (tenant_id, reopens),
    FOREIGN KEY (tenant_id, reopens) REFERENCES marts.period_closing,
    CHECK ((event = 'reopen') = (reopens IS NOT NULL))
);
COMMENT ON TABLE marts.period_closing IS 'Who closed which period of a tenant, who opened it again, when and why. Append-only.';
COMMENT ON COLUMN marts.period_closing.tenant_id IS 'The client firm.';
COMMENT ON COLUMN marts.period_closing.closing_no IS 'Number of the event.';
COMMENT ON COLUMN marts.period_closing.event IS 'close or reopen.';
COMMENT ON COLUMN marts.period_closing.through_date IS 'Last date of the period that was closed or opened again.';
COMMENT ON COLUMN marts.period_closing.reopens IS 'Of a reopening the closing that it undoes.';
COMMENT ON COLUMN marts.period_closing.login IS 'The database login that did it.';
COMMENT ON COLUMN marts.period_closing.at IS 'When: the official figures are those that were published at that moment.';
COMMENT ON COLUMN marts.period_closing.why IS 'The reason given; a reopening must have one.';
SELECT security.protect('marts.period_closing');
GRANT SELECT ON marts.period_closing TO dietz_analyst;

CREATE VIEW marts.closed_period WITH (security_invoker) AS
SELECT c.tenant_id, c.closing_no,
       lag(c.through_date, 1, '-infinity') OVER (PARTITION BY c.tenant_id ORDER BY c.through_date) AS after_date,
       c.through_date, c.at AS closed_at, c.login AS closed_by, c.why
FROM marts.period_closing c
WHERE c.event = 'close'
AND NOT EXISTS (SELECT FROM marts.period_closing r WHERE r.tenant_id = c.tenant_id AND r.reopens = c.closing_no);
COMMENT ON VIEW marts.closed_period IS 'The periods of each tenant that are closed at present: the dates after after_date up to through_date.';
COMMENT ON COLUMN marts.closed_period.tenant_id IS 'The client firm.';
COMMENT ON COLUMN marts.closed_period.closing_no IS 'The closing, as in marts.period_closing.';
COMMENT ON COLUMN marts.closed_period.after_date IS 'Last date of the period closed before; -infinity for the first.';
COMMENT ON COLUMN marts.closed_period.through_date IS 'Last date of the period.';
COMMENT ON COLUMN marts.closed_period.closed_at IS 'The figures published at that moment are the official ones.';
COMMENT ON COLUMN marts.closed_period.closed_by IS 'The database login that closed it.';
COMMENT ON COLUMN marts.closed_period.why IS 'The reason given.';
GRANT SELECT ON marts.closed_period TO dietz_analyst;

CREATE FUNCTION security.enter_closing() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    last marts.closed_period;
    published date;
BEGIN
    -- A publication takes its time and then this lock: one that is under way must end first, or its rows would count as
    -- published at a moment at which nobody could see them. (The number is ONE_PUBLISHER of jobs/publish/visible.py.)
    PERFORM pg_advisory_xact_lock(1886740993);
    NEW.login := session_user;
    NEW.at := clock_timestamp();
    NEW.why := btrim(coalesce(NEW.why, ''));
    SELECT * INTO last FROM marts.closed_period p WHERE p.tenant_id = NEW.tenant_id ORDER BY through_date DESC LIMIT 1;
    IF NEW.event = 'close' THEN
        SELECT calculated_through INTO published FROM ops.tenant_progress t WHERE t.tenant_id = NEW.tenant_id;
        IF published IS NULL THEN
            RAISE EXCEPTION 'nothing of tenant ''%'' is published: there is nothing to close', NEW.tenant_id;
        ELSIF NEW.through_date > published THEN
            RAISE EXCEPTION 'tenant ''%'' is published through %: it cannot be closed through %',
                NEW.tenant_id, published, NEW.through_date;
        ELSIF NEW.through_date <= last.through_date THEN
            RAISE EXCEPTION 'tenant ''%'' is closed through % already', NEW.tenant_id, last.through_date;
        END IF;
        RETURN NEW;
    END IF;
    IF last.closing_no IS NULL THEN
        RAISE EXCEPTION 'no period of tenant ''%'' is closed', NEW.tenant_id;
    ELSIF NEW.through_date IS DISTINCT FROM last.through_date THEN
        RAISE EXCEPTION 'the period of tenant ''%'' closed last ends on %: reopen that one first',
            NEW.tenant_id, last.through_date;
    ELSIF NEW.why = '' THEN
        RAISE EXCEPTION 'reopening a period needs a reason';
    ELSIF last.closed_by = session_user THEN
        RAISE EXCEPTION 'login ''%'' closed the period: another login must reopen it', session_user;
    END IF;
    NEW.reopens := last.closing_no;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION security.enter_closing() IS
    'Trigger: login and time of a closing or reopening are the session''s own, and the rules of closing hold.';
REVOKE ALL ON FUNCTION security.enter_closing() FROM PUBLIC;
CREATE TRIGGER enter BEFORE INSERT ON marts.period_closing FOR EACH ROW EXECUTE FUNCTION security.enter_closing();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON marts.period_closing
    FOR EACH STATEMENT EXECUTE FUNCTION security.keep_for_ever();

-- 2. Approvals
CREATE TABLE ops.restatement_approval (
    tenant_id text NOT NULL,
    restatement_id text NOT NULL,
    materiality text,
    value_change numeric(28,8),
    return_change_bp double precision,
    run_id text NOT NULL,
    why text NOT NULL,
    approved_by name NOT NULL,
    approved_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, restatement_id, approved_at)
);
COMMENT ON TABLE ops.restatement_approval IS 'Who let which restatement through, when, why, and what it said then. Append-only.';
COMMENT ON COLUMN ops.restatement_approval.tenant_id IS 'The client firm.';
COMMENT ON COLUMN ops.restatement_approval.restatement_id IS 'The restatement, as in marts.restatement.';
COMMENT ON COLUMN ops.restatement_approval.materiality IS 'Its class at that time: should it grow into a larger one, it waits again.';
COMMENT ON COLUMN ops.restatement_approval.value_change IS 'Its largest change of a value at that time.';
COMMENT ON COLUMN ops.restatement_approval.return_change_bp IS 'Its largest change of a return at that time, in basis points.';
COMMENT ON COLUMN ops.restatement_approval.run_id IS 'The run that had calculated it.';
COMMENT ON COLUMN ops.restatement_approval.why IS 'The reason given.';
COMMENT ON COLUMN ops.restatement_approval.approved_by IS 'The database login that approved it.';
COMMENT ON COLUMN ops.restatement_approval.approved_at IS 'When.';

CREATE FUNCTION security.enter_approval() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    asked marts.restatement;
    closed marts.closed_period;
BEGIN
    -- Not while a night is published, which may bring another state of it. (ONE_PUBLISHER of jobs/publish/visible.py)
    PERFORM pg_advisory_xact_lock(1886740993);
    SELECT * INTO asked FROM marts.restatement r
    WHERE r.tenant_id = NEW.tenant_id AND r.restatement_id = NEW.restatement_id FOR UPDATE;
    SELECT * INTO closed FROM marts.closed_period p
    WHERE p.tenant_id = NEW.tenant_id AND p.closed_by = session_user AND p.through_date >= asked.from_date LIMIT 1;
    IF asked.restatement_id IS NULL THEN
        RAISE EXCEPTION 'there is no restatement ''%''', NEW.restatement_id;
    ELSIF asked.state <> 'waiting' THEN
        RAISE EXCEPTION 'restatement ''%'' does not wait: it is %', NEW.restatement_id, asked.state;
    ELSIF btrim(coalesce(NEW.why, '')) = '' THEN
        RAISE EXCEPTION 'an approval needs a reason';
    ELSIF closed.closing_no IS NOT NULL THEN
        RAISE EXCEPTION 'login ''%'' closed the period through %, which it reaches into: another login must approve it',
            session_user, closed.through_date;
    END IF;
    NEW.materiality := asked.materiality;
    NEW.value_change := asked.value_change;
    NEW.return_change_bp := asked.return_change_bp;
    NEW.run_id := asked.run_id;
    NEW.why := btrim(NEW.why);
    NEW.approved_by := session_user;
    NEW.approved_at := clock_timestamp();
    UPDATE marts.restatement r SET state = 'approved', published_at = NEW.approved_at
    WHERE r.tenant_id = NEW.tenant_id AND r.restatement_id = NEW.restatement_id;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION security.enter_approval() IS
    'Trigger: login and time of an approval are the session''s own, the restatement waits, and another login closed.';
REVOKE ALL ON FUNCTION security.enter_approval() FROM PUBLIC;
CREATE TRIGGER enter BEFORE INSERT ON ops.restatement_approval FOR EACH ROW EXECUTE FUNCTION security.enter_approval();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON ops.restatement_approval
    FOR EACH STATEMENT EXECUTE FUNCTION security.keep_for_ever();
