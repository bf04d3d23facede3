-- Breaks that live: a level is one row for all its dates, and what persons say of a break stands in a record of its own.
-- The pipeline's columns have their comments from schemas/reconciliation_break.yaml.
ALTER TABLE marts.reconciliation_break
    ADD COLUMN IF NOT EXISTS item text,
    ADD COLUMN IF NOT EXISTS through_date date,
    ADD COLUMN IF NOT EXISTS ended_on date,
    ADD COLUMN IF NOT EXISTS age_days integer,
    ADD COLUMN IF NOT EXISTS age_band text,
    ADD COLUMN IF NOT EXISTS materiality text,
    ADD COLUMN IF NOT EXISTS cause text,
    ADD COLUMN IF NOT EXISTS owner text,
    ADD COLUMN IF NOT EXISTS assigned_by text,
    ADD COLUMN IF NOT EXISTS comment text,
    ADD COLUMN IF NOT EXISTS accepted_until date,
    ADD COLUMN IF NOT EXISTS accepted_by text,
    ADD COLUMN IF NOT EXISTS accepted_difference numeric(28,8),
    ADD COLUMN IF NOT EXISTS accepted_bps double precision,
    ADD COLUMN IF NOT EXISTS reopened_on date,
    ADD COLUMN IF NOT EXISTS reopened_by text,
    ADD COLUMN IF NOT EXISTS changed_on date,
    ADD COLUMN IF NOT EXISTS event_no bigint;
CREATE INDEX reconciliation_break_living ON marts.reconciliation_break (tenant_id, state)
    WHERE state IN ('open', 'explained', 'accepted');

CREATE TABLE ops.break_event (
    event_no bigint PRIMARY KEY,
    tenant_id text NOT NULL,
    break_id text NOT NULL,
    event text NOT NULL CHECK (event IN ('assign', 'comment', 'accept', 'reopen', 'expire')),
    owner text,
    until date,
    said text NOT NULL,
    difference numeric(28,8),
    difference_bps double precision,
    login name NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX break_event_break ON ops.break_event (tenant_id, break_id, event_no);
COMMENT ON TABLE ops.break_event IS 'Who assigned, commented, accepted or reopened which break, when and why; and which acceptances ran out. Append-only.';
COMMENT ON COLUMN ops.break_event.event_no IS 'Number of the event, in the order in which they count.';
COMMENT ON COLUMN ops.break_event.tenant_id IS 'The client firm.';
COMMENT ON COLUMN ops.break_event.break_id IS 'The break, as in marts.reconciliation_break.';
COMMENT ON COLUMN ops.break_event.event IS 'assign, comment, accept, reopen; expire: an acceptance whose date has passed.';
COMMENT ON COLUMN ops.break_event.owner IS 'Of an assignment, to whom.';
COMMENT ON COLUMN ops.break_event.until IS 'Of an acceptance, the last date on which it holds.';
COMMENT ON COLUMN ops.break_event.said IS 'The comment or the reason given; empty for an assignment without one.';
COMMENT ON COLUMN ops.break_event.difference IS 'The break''s difference at that time: what was accepted.';
COMMENT ON COLUMN ops.break_event.difference_bps IS 'The same in basis points.';
COMMENT ON COLUMN ops.break_event.login IS 'The database login that did it.';
COMMENT ON COLUMN ops.break_event.at IS 'When.';

-- How far the record was taken into the lake, by which run: a run that is done again starts from where it started.
CREATE TABLE ops.break_event_carried (
    run_no bigint PRIMARY KEY,
    event_no bigint NOT NULL
);
COMMENT ON TABLE ops.break_event_carried IS 'One row per run that took events of ops.break_event into the lake.';
COMMENT ON COLUMN ops.break_event_carried.run_no IS 'The run, as in ops.run.';
COMMENT ON COLUMN ops.break_event_carried.event_no IS 'The last event that it took.';

-- What an event does to the published row. A publication calls it too, for what was said while the night was calculated:
-- an acceptance is of the amount that the person saw, and of no other.
CREATE FUNCTION security.apply_break_event(e ops.break_event) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    b marts.reconciliation_break;
    night date;
BEGIN
    SELECT * INTO b FROM marts.reconciliation_break r
    WHERE r.tenant_id = e.tenant_id AND r.break_id = e.break_id FOR UPDATE;
    SELECT calculated_through INTO night FROM ops.tenant_progress t WHERE t.tenant_id = e.tenant_id;
    IF e.event = 'assign' THEN
        b.owner := e.owner;
        b.assigned_by := e.login;
    ELSIF e.event = 'comment' THEN
        b.comment := e.said;
    ELSIF e.event = 'accept' AND b.state IN ('open', 'explained') AND b.difference IS NOT DISTINCT FROM e.difference
        AND (b.difference_bps IS NOT DISTINCT FROM e.difference_bps OR abs(b.difference_bps - e.difference_bps) < 1e-6) THEN
        b.state := 'accepted';
        b.accepted_until := e.until;
        b.accepted_by := e.login;
        b.accepted_difference := e.difference;
        b.accepted_bps := e.difference_bps;
        b.reason := format('accepted by %s until %s: %s', e.login, e.until, e.said);
        b.changed_on := night;
    ELSIF e.event IN ('reopen', 'expire') AND b.state IN ('accepted', 'explained') THEN
        b.reason := CASE e.event WHEN 'reopen' THEN format('reopened by %s: %s', e.login, e.said)
            ELSE format('%s, which has passed', split_part(b.reason, ': ', 1)) END;
        b.state := 'open';
        b.accepted_until := NULL;
        b.accepted_by := NULL;
        b.accepted_difference := NULL;
        b.accepted_bps := NULL;
        b.reopened_on := night;
        b.reopened_by := CASE e.event WHEN 'reopen' THEN e.login ELSE b.reopened_by END;
        b.changed_on := night;
    END IF;
    UPDATE marts.reconciliation_break r
    SET (state, reason, owner, assigned_by, comment, accepted_until, accepted_by, accepted_difference, accepted_bps,
         reopened_on, reopened_by, changed_on, event_no, published_at)
      = ROW (b.state, b.reason, b.owner, b.assigned_by, b.comment, b.accepted_until, b.accepted_by,
             b.accepted_difference, b.accepted_bps, b.reopened_on, b.reopened_by, b.changed_on, e.event_no,
             greatest(b.published_at, e.at))
    WHERE r.tenant_id = e.tenant_id AND r.break_id = e.break_id;
END
$$;
COMMENT ON FUNCTION security.apply_break_event(ops.break_event) IS 'Brings the published row of a break to what an event says of it.';
REVOKE ALL ON FUNCTION security.apply_break_event(ops.break_event) FROM PUBLIC;

CREATE FUNCTION security.enter_break_event() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    b marts.reconciliation_break;
    night date;
BEGIN
    -- Not while a night is published, which may bring another state of it; and one event after the other, so that their
    -- numbers are in the order in which they become visible. (ONE_PUBLISHER of jobs/publish/visible.py)
    PERFORM pg_advisory_xact_lock(1886740993);
    SELECT * INTO b FROM marts.reconciliation_break r
    WHERE r.tenant_id = NEW.tenant_id AND r.break_id = NEW.break_id FOR UPDATE;
    SELECT calculated_through INTO night FROM ops.tenant_progress t WHERE t.tenant_id = NEW.tenant_id;
    NEW.said := btrim(coalesce(NEW.said, ''));
    NEW.owner := nullif(btrim(coalesce(NEW.owner, '')), '');
    IF b.break_id IS NULL THEN
        RAISE EXCEPTION 'there is no break ''%''', NEW.break_id;
    ELSIF NEW.event <> 'comment' AND b.state NOT IN ('open', 'explained', 'accepted') THEN
        RAISE EXCEPTION 'break ''%'' is %: there is nothing to %', NEW.break_id, replace(b.state, '_', ' '), NEW.event;
    ELSIF NEW.event = 'assign' AND NEW.owner IS NULL THEN
        RAISE EXCEPTION 'an assignment needs somebody to assign the break to';
    ELSIF NEW.event = 'comment' AND NEW.said = '' THEN
        RAISE EXCEPTION 'a comment needs words';
    ELSIF NEW.event IN ('accept', 'reopen') AND NEW.said = '' THEN
        RAISE EXCEPTION 'to % a break needs a reason', NEW.event;
    ELSIF NEW.event = 'accept' AND b.state = 'accepted' THEN
        RAISE EXCEPTION 'break ''%'' is accepted already, by % until %', NEW.break_id, b.accepted_by, b.accepted_until;
    ELSIF NEW.event = 'accept' AND NEW.until IS NULL THEN
        RAISE EXCEPTION 'an acceptance needs a date until which it holds';
    ELSIF NEW.event = 'accept' AND NEW.until < night THEN
        RAISE EXCEPTION 'tenant ''%'' is published through %: an acceptance until % would be over',
            NEW.tenant_id, night, NEW.until;
    ELSIF NEW.event = 'reopen' AND b.state = 'open' THEN
        RAISE EXCEPTION 'break ''%'' is open', NEW.break_id;
    ELSIF NEW.event = 'expire' AND (b.state = 'accepted' AND b.accepted_until < night) IS NOT TRUE THEN
        RAISE EXCEPTION 'break ''%'' has no acceptance that is over', NEW.break_id;
    END IF;
    SELECT coalesce(max(event_no), 0) + 1 INTO NEW.event_no FROM ops.break_event;
    NEW.until := CASE NEW.event WHEN 'accept' THEN NEW.until WHEN 'expire' THEN b.accepted_until END;
    NEW.difference := b.difference;
    NEW.difference_bps := b.difference_bps;
    NEW.login := session_user;
    NEW.at := clock_timestamp();
    PERFORM security.apply_break_event(NEW);
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION security.enter_break_event() IS
    'Trigger: login and time of an event are the session''s own, its rules hold, and the published row follows at once.';
REVOKE ALL ON FUNCTION security.enter_break_event() FROM PUBLIC;
CREATE TRIGGER enter BEFORE INSERT ON ops.break_event FOR EACH ROW EXECUTE FUNCTION security.enter_break_event();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON ops.break_event
    FOR EACH STATEMENT EXECUTE FUNCTION security.keep_for_ever();
