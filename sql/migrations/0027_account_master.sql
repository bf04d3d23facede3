-- The account master: what vendors' accounts say against our records, what a person has decided about it, and who said
-- what of an account from when to when.

-- 1. Proposals
CREATE TABLE marts.account_proposal (
    tenant_id text NOT NULL,
    proposal_id text NOT NULL,
    kind text NOT NULL,
    source_vendor text NOT NULL,
    account_number text NOT NULL,
    account_id text,
    from_date date NOT NULL,
    confidence double precision,
    reasons text NOT NULL,
    our_value numeric(28,8),
    our_value_on date,
    their_value numeric(28,8),
    currency text,
    state text NOT NULL,
    decided_by text,
    why text,
    first_seen_on date NOT NULL,
    last_seen_on date NOT NULL,
    run_id text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, proposal_id)
);
COMMENT ON COLUMN marts.account_proposal.published_at IS 'When this version of the row became visible.';
SELECT security.protect('marts.account_proposal');
GRANT SELECT ON marts.account_proposal TO dietz_analyst;

-- 2. Decisions
CREATE TABLE ops.account_decision (
    tenant_id text NOT NULL,
    decision_no bigint NOT NULL,
    proposal_id text NOT NULL,
    decision text NOT NULL CHECK (decision IN ('accept', 'reject')),
    source_vendor text NOT NULL,
    account_number text NOT NULL,
    account_id text,
    from_date date NOT NULL,
    confidence double precision,
    why text NOT NULL,
    decided_by name NOT NULL,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, decision_no)
);
COMMENT ON TABLE ops.account_decision IS 'Who accepted or rejected which proposal about an account number, when and why. Append-only.';
COMMENT ON COLUMN ops.account_decision.tenant_id IS 'The client firm.';
COMMENT ON COLUMN ops.account_decision.decision_no IS 'Its place in the order of arrival of files: what it makes of a number counts as if a file had said so then.';
COMMENT ON COLUMN ops.account_decision.proposal_id IS 'The proposal, as in marts.account_proposal.';
COMMENT ON COLUMN ops.account_decision.decision IS 'accept: the number is that account from from_date on; reject: it is not.';
COMMENT ON COLUMN ops.account_decision.source_vendor IS 'The vendor whose number it is.';
COMMENT ON COLUMN ops.account_decision.account_number IS 'The number.';
COMMENT ON COLUMN ops.account_decision.account_id IS 'The account of ours that was proposed, or that the person named.';
COMMENT ON COLUMN ops.account_decision.from_date IS 'First date on which the number means the account.';
COMMENT ON COLUMN ops.account_decision.confidence IS 'The confidence that the proposal had at that time.';
COMMENT ON COLUMN ops.account_decision.why IS 'The reason given.';
COMMENT ON COLUMN ops.account_decision.decided_by IS 'The database login that decided.';
COMMENT ON COLUMN ops.account_decision.decided_at IS 'When.';

CREATE TABLE ops.account_decision_taken (
    tenant_id text NOT NULL,
    decision_no bigint NOT NULL,
    run_no bigint NOT NULL,
    PRIMARY KEY (tenant_id, decision_no),
    FOREIGN KEY (tenant_id, decision_no) REFERENCES ops.account_decision
);
COMMENT ON TABLE ops.account_decision_taken IS 'Which run has carried which decision into the lake.';
COMMENT ON COLUMN ops.account_decision_taken.tenant_id IS 'The client firm.';
COMMENT ON COLUMN ops.account_decision_taken.decision_no IS 'The decision, as in ops.account_decision.';
COMMENT ON COLUMN ops.account_decision_taken.run_no IS 'The run, as in ops.run.';

CREATE FUNCTION security.enter_account_decision() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    asked marts.account_proposal;
BEGIN
    -- Not while a night is published, which may bring another state of it. (ONE_PUBLISHER of jobs/publish/visible.py)
    PERFORM pg_advisory_xact_lock(1886740993);
    SELECT * INTO asked FROM marts.account_proposal p
    WHERE p.tenant_id = NEW.tenant_id AND p.proposal_id = NEW.proposal_id FOR UPDATE;
    IF asked.proposal_id IS NULL THEN
        RAISE EXCEPTION 'there is no proposal ''%''', NEW.proposal_id;
    ELSIF asked.state <> 'open' THEN
        RAISE EXCEPTION 'proposal ''%'' is not open: it is %', NEW.proposal_id, asked.state;
    ELSIF btrim(coalesce(NEW.why, '')) = '' THEN
        RAISE EXCEPTION 'a decision needs a reason';
    END IF;
    NEW.account_id := coalesce(NEW.account_id, asked.account_id);
    NEW.from_date := coalesce(NEW.from_date, asked.from_date);
    IF NEW.decision = 'accept' AND NEW.account_id IS NULL THEN
        RAISE EXCEPTION 'proposal ''%'' names no account of ours: say which account the number is', NEW.proposal_id;
    ELSIF NEW.decision = 'accept' AND NOT EXISTS (
        SELECT FROM marts.account a WHERE a.tenant_id = NEW.tenant_id AND a.account_id = NEW.account_id)
    THEN
        RAISE EXCEPTION 'tenant ''%'' has no account ''%''', NEW.tenant_id, NEW.account_id;
    ELSIF NEW.decision = 'accept' AND NEW.account_id = asked.account_number THEN
        RAISE EXCEPTION 'account ''%'' has that number already', NEW.account_id;
    END IF;
    NEW.source_vendor := asked.source_vendor;
    NEW.account_number := asked.account_number;
    NEW.confidence := asked.confidence;
    NEW.why := btrim(NEW.why);
    NEW.decision_no := nextval('ops.arrival_no');
    NEW.decided_by := session_user;
    NEW.decided_at := clock_timestamp();
    UPDATE marts.account_proposal p
    SET state = CASE NEW.decision WHEN 'accept' THEN 'accepted' ELSE 'rejected' END, account_id = NEW.account_id,
        from_date = NEW.from_date, decided_by = NEW.decided_by, why = NEW.why, published_at = NEW.decided_at
    WHERE p.tenant_id = NEW.tenant_id AND p.proposal_id = NEW.proposal_id;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION security.enter_account_decision() IS
    'Trigger: login, time and number of a decision are the session''s own, the proposal is open, the account exists.';
REVOKE ALL ON FUNCTION security.enter_account_decision() FROM PUBLIC;
CREATE TRIGGER enter BEFORE INSERT ON ops.account_decision
    FOR EACH ROW EXECUTE FUNCTION security.enter_account_decision();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON ops.account_decision
    FOR EACH STATEMENT EXECUTE FUNCTION security.keep_for_ever();

-- 3. Who said what
CREATE TABLE history.account_version (
    tenant_id text NOT NULL,
    vendor text NOT NULL,
    account_id text NOT NULL,
    effective_from date NOT NULL,
    arrival_no bigint NOT NULL,
    line_no bigint NOT NULL,
    record_no integer NOT NULL,
    account_name text,
    base_currency text,
    opened_on date,
    closed_on date,
    household_id text,
    advisor_id text,
    model_id text,
    benchmark_id text,
    flow_timing text,
    in_performance boolean NOT NULL,
    retired boolean,
    file_id text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id, vendor, effective_from, arrival_no, line_no, record_no)
);
COMMENT ON TABLE history.account_version IS
    'Every record of an account as each vendor gave it: nothing is replaced. marts.account_history reads it by attribute.';
COMMENT ON COLUMN history.account_version.published_at IS 'Since when we have known it.';
SELECT security.protect('history.account_version');
GRANT SELECT ON history.account_version TO dietz_analyst;

CREATE VIEW marts.account_history WITH (security_invoker) AS
WITH claim AS (
    SELECT v.tenant_id, v.account_id, v.vendor, v.effective_from, v.arrival_no, v.line_no, v.record_no, v.file_id,
           v.published_at, coalesce(v.retired, false) AS retired, a.attribute, a.value
    FROM history.account_version v
    CROSS JOIN LATERAL (VALUES
        ('account_name', v.account_name), ('base_currency', v.base_currency), ('opened_on', v.opened_on::text),
        ('closed_on', v.closed_on::text), ('household_id', v.household_id), ('advisor_id', v.advisor_id),
        ('model_id', v.model_id), ('benchmark_id', v.benchmark_id), ('flow_timing', v.flow_timing),
        ('in_performance', v.in_performance::text)) AS a (attribute, value)
), told AS (
    SELECT c.*, row_number() OVER again AS place,
           lag(c.value) OVER again IS DISTINCT FROM c.value OR lag(c.retired) OVER again IS DISTINCT FROM c.retired
           AS differs
    FROM claim c
    WINDOW again AS (PARTITION BY c.tenant_id, c.account_id, c.vendor, c.attribute, c.effective_from
                     ORDER BY c.arrival_no, c.line_no, c.record_no)
), said AS (
    SELECT t.*, lead(t.published_at) OVER (
               PARTITION BY t.tenant_id, t.account_id, t.vendor, t.attribute, t.effective_from
               ORDER BY t.arrival_no, t.line_no, t.record_no) AS known_to
    FROM told t WHERE t.place = 1 OR t.differs
), dated AS (
    SELECT s.*, s.known_to IS NULL AS stands,
           lag(s.value) OVER by_date AS value_before, lag(s.effective_from) OVER by_date AS date_before
    FROM said s WHERE NOT s.retired
    WINDOW by_date AS (PARTITION BY s.tenant_id, s.account_id, s.vendor, s.attribute, s.known_to IS NULL
                       ORDER BY s.effective_from, s.arrival_no)
), kept AS (
    SELECT d.* FROM dated d
    WHERE (NOT d.stands OR d.date_before IS NULL OR d.value_before IS DISTINCT FROM d.value)
)
SELECT k.tenant_id, k.account_id, k.vendor AS source_vendor, k.attribute,
       CASE WHEN k.attribute = 'account_name' AND k.value IS NOT NULL THEN '(name)' ELSE k.value END AS value,
       k.effective_from AS valid_from,
       (SELECT min(n.effective_from) - 1 FROM kept n
        WHERE n.stands AND n.effective_from > k.effective_from AND (n.tenant_id, n.account_id, n.vendor, n.attribute)
        = (k.tenant_id, k.account_id, k.vendor, k.attribute)) AS valid_to,
       k.published_at AS known_from, k.known_to, k.file_id, k.line_no
FROM kept k
WHERE k.value IS NOT NULL OR k.date_before IS NOT NULL OR NOT k.stands OR k.place > 1;
COMMENT ON VIEW marts.account_history IS
    'Who said what about an account, from when to when: a row per attribute and value, without names.';
COMMENT ON COLUMN marts.account_history.tenant_id IS 'The client firm.';
COMMENT ON COLUMN marts.account_history.account_id IS 'The firm''s own account identifier.';
COMMENT ON COLUMN marts.account_history.source_vendor IS 'The vendor that said it.';
COMMENT ON COLUMN marts.account_history.attribute IS 'Which attribute, as in marts.account.';
COMMENT ON COLUMN marts.account_history.value IS 'What it was said to be; of a name only that there is one (names: history.account_version).';
COMMENT ON COLUMN marts.account_history.valid_from IS 'First day on which it holds; 1900-01-01: always.';
COMMENT ON COLUMN marts.account_history.valid_to IS 'Last day on which it holds; NULL: until further notice.';
COMMENT ON COLUMN marts.account_history.known_from IS 'Since when we have known it.';
COMMENT ON COLUMN marts.account_history.known_to IS 'Until when we took it for true: then the vendor said otherwise of the same days; NULL: still.';
COMMENT ON COLUMN marts.account_history.file_id IS 'The file that says so, as in ops.file.';
COMMENT ON COLUMN marts.account_history.line_no IS 'Its line.';
GRANT SELECT ON marts.account_history TO dietz_analyst;
