-- How far a published row can be relied on: which controls ran over it, and what stands against it. Rows are never
-- rewritten for it: breaks and flags come and go while the figures, their epoch and published_at stay.

-- 1. The controls of each run
CREATE TABLE ops.run_comparison (
    tenant_id text NOT NULL,
    run_id text NOT NULL,
    compared bigint NOT NULL,
    PRIMARY KEY (tenant_id, run_id)
);
COMMENT ON TABLE ops.run_comparison IS 'One row per tenant and run whose reconciliation had something to compare.';
COMMENT ON COLUMN ops.run_comparison.tenant_id IS 'The client firm.';
COMMENT ON COLUMN ops.run_comparison.run_id IS 'The run, as in ops.run.';
COMMENT ON COLUMN ops.run_comparison.compared IS 'Accounts'' days of which at least one figure was compared with another one.';

CREATE TABLE marts.run_control (
    tenant_id text NOT NULL,
    run_id text NOT NULL,
    control text NOT NULL CHECK (control IN ('gate', 'staleness', 'reconciliation', 'comparison')),
    state text NOT NULL CHECK (state IN ('ran', 'did_not_run', 'not_asked', 'nothing_there')),
    reason text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, run_id, control)
);
SELECT security.protect('marts.run_control');
GRANT SELECT ON marts.run_control TO dietz_analyst;
COMMENT ON TABLE marts.run_control IS
    'One row per tenant, run and control: whether it ran over what the run published. No row: it is not known to have run.';
COMMENT ON COLUMN marts.run_control.tenant_id IS 'The client firm.';
COMMENT ON COLUMN marts.run_control.run_id IS 'The run, as in the rows that it calculated.';
COMMENT ON COLUMN marts.run_control.control IS
    'gate (the inputs), staleness (values and prices that stand still), reconciliation (the step), comparison (whether anybody''s figures were there to compare with).';
COMMENT ON COLUMN marts.run_control.state IS
    'ran; did_not_run, though it should have; not_asked: no rule of the firm asks for it; nothing_there: nobody''s figures had come.';
COMMENT ON COLUMN marts.run_control.reason IS 'What it means for the figures; empty where it ran.';
COMMENT ON COLUMN marts.run_control.published_at IS 'When this version of the row became visible.';

CREATE TABLE marts.uncompared_day (
    tenant_id text NOT NULL,
    account_id text NOT NULL,
    as_of_date date NOT NULL,
    is_uncompared boolean NOT NULL,
    run_id text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id, as_of_date)
);
CREATE INDEX uncompared_day_changed ON marts.uncompared_day (published_at);
CREATE INDEX uncompared_day_date ON marts.uncompared_day (tenant_id, as_of_date);
SELECT security.protect('marts.uncompared_day');
GRANT SELECT ON marts.uncompared_day TO dietz_analyst;
COMMENT ON COLUMN marts.uncompared_day.published_at IS 'When this version of the row became visible.';

CREATE TABLE marts.assurance_rule (
    rule text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('stale'))
);
GRANT SELECT ON marts.assurance_rule TO dietz_analyst;
COMMENT ON TABLE marts.assurance_rule IS 'Rules of conf/tolerances.yaml whose flags say more than that something was flagged.';
COMMENT ON COLUMN marts.assurance_rule.rule IS 'The rule, as in marts.held_account.';
COMMENT ON COLUMN marts.assurance_rule.kind IS 'stale: the rule is about values or prices that stand still.';

-- 2. Who belongs to which group
CREATE TABLE marts.group_member (
    tenant_id text NOT NULL,
    group_type text NOT NULL,
    group_id text NOT NULL,
    account_id text NOT NULL,
    from_date date NOT NULL,
    to_date date,
    PRIMARY KEY (tenant_id, group_type, group_id, account_id, from_date)
);
CREATE INDEX group_member_account ON marts.group_member (tenant_id, account_id);
SELECT security.protect('marts.group_member');
GRANT SELECT ON marts.group_member TO dietz_analyst;
COMMENT ON TABLE marts.group_member IS 'One row per group, member and unbroken time of membership, as the groups'' figures count them.';
COMMENT ON COLUMN marts.group_member.tenant_id IS 'The client firm.';
COMMENT ON COLUMN marts.group_member.group_type IS 'Kind of group: household, advisor, model, tenant or composite.';
COMMENT ON COLUMN marts.group_member.group_id IS 'The group; of the group tenant the tenant_id.';
COMMENT ON COLUMN marts.group_member.account_id IS 'The firm''s own account identifier.';
COMMENT ON COLUMN marts.group_member.from_date IS 'First day of the membership.';
COMMENT ON COLUMN marts.group_member.to_date IS 'Last day; empty while it lasts.';

-- 3. What stands against a row
CREATE INDEX reconciliation_break_changed ON marts.reconciliation_break (published_at);
CREATE INDEX held_account_changed ON marts.held_account (published_at);
CREATE INDEX held_account_date ON marts.held_account (tenant_id, as_of_date);

CREATE VIEW marts.account_exception WITH (security_invoker) AS
SELECT b.tenant_id, b.account_id, b.as_of_date AS from_date, coalesce(b.through_date, b.as_of_date) AS to_date,
       CASE WHEN b.type LIKE 'account\_%' THEN 'flagged' WHEN b.state = 'accepted' THEN 'overridden' ELSE 'break' END AS kind,
       CASE WHEN b.type IN ('cash_roll', 'cash_balance') THEN greatest(abs(b.ours), abs(b.theirs)) END AS amount,
       CASE WHEN b.type IN ('cash_roll', 'cash_balance') THEN b.item END AS currency,
       concat_ws(' ', b.state, b.type, b.item, 'against', b.source_vendor) AS reason
FROM marts.reconciliation_break b
WHERE b.state IN ('open', 'explained', 'accepted') AND NOT (b.type LIKE 'account\_%' AND b.state = 'accepted')
UNION ALL
SELECT u.tenant_id, u.account_id, u.as_of_date, u.as_of_date, 'uncompared', NULL, NULL,
       'nobody''s figures to compare with'
FROM marts.uncompared_day u WHERE u.is_uncompared
UNION ALL
SELECT h.tenant_id, h.account_id, h.as_of_date, h.as_of_date,
       CASE WHEN h.state = 'released' THEN 'overridden' ELSE coalesce(r.kind, 'flagged') END, NULL, NULL,
       concat_ws(' ', h.state, h.rule)
FROM marts.held_account h LEFT JOIN marts.assurance_rule r ON r.rule = h.rule
WHERE h.state IN ('flagged', 'held') OR (h.state = 'released' AND h.reason LIKE 'released by %');
COMMENT ON VIEW marts.account_exception IS
    'What stands against an account''s rows at present: one row per break, flag, acceptance or release, with the dates that it is about.';
COMMENT ON COLUMN marts.account_exception.tenant_id IS 'The client firm.';
COMMENT ON COLUMN marts.account_exception.account_id IS 'The firm''s own account identifier.';
COMMENT ON COLUMN marts.account_exception.from_date IS 'First date that it is about.';
COMMENT ON COLUMN marts.account_exception.to_date IS 'Last date that it is about.';
COMMENT ON COLUMN marts.account_exception.kind IS
    'break, uncompared (nobody''s figure to compare with), stale, overridden (accepted or released by a person) or flagged (any other warning, and what is open about the account''s record).';
COMMENT ON COLUMN marts.account_exception.amount IS 'How much of the account it is about, in `currency`; empty: the whole account.';
COMMENT ON COLUMN marts.account_exception.currency IS 'Currency of the amount.';
COMMENT ON COLUMN marts.account_exception.reason IS 'State, type or rule, and the other source.';
GRANT SELECT ON marts.account_exception TO dietz_analyst;

-- 4. Accounts: worked out when it is read, so that an acceptance or a release counts at once
CREATE VIEW marts.account_assurance WITH (security_invoker) AS
SELECT d.tenant_id, d.account_id, d.as_of_date,
       least(coalesce(x.stale, 0), 1) AS stale_share, least(coalesce(x.broken, 0), 1) AS break_share,
       0::float8 AS carried_share, least(coalesce(x.overridden, 0), 1) AS overridden_share,
       CASE WHEN c.has_nothing_to_compare THEN 1 ELSE least(coalesce(x.uncompared, 0), 1) END AS uncompared_share,
       CASE WHEN c.is_controlled IS NOT TRUE THEN 'unknown'
            WHEN x.broken IS NOT NULL OR x.uncompared IS NOT NULL OR c.has_nothing_to_compare THEN 'unreconciled'
            WHEN x.stale IS NOT NULL THEN 'stale'
            WHEN x.overridden IS NOT NULL THEN 'overridden'
            WHEN x.flagged THEN 'flagged'
            WHEN c.is_unwatched THEN 'unwatched'
            ELSE 'verified' END AS assurance,
       concat_ws('; ', CASE WHEN c.is_controlled IS NULL THEN 'no control is known to have run' END, c.reasons, x.reasons)
           AS reasons
FROM marts.account_performance_daily d
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE r.state <> 'did_not_run') = 4 AS is_controlled,
           bool_or(r.state = 'nothing_there') AS has_nothing_to_compare, bool_or(r.state = 'not_asked') AS is_unwatched,
           nullif(string_agg(r.reason, '; ' ORDER BY r.control) FILTER (WHERE r.state <> 'ran'), '') AS reasons
    FROM marts.run_control r WHERE r.tenant_id = d.tenant_id AND r.run_id = d.run_id HAVING count(*) > 0
) c ON true
LEFT JOIN LATERAL (
    SELECT sum(s.share) FILTER (WHERE s.kind = 'stale') AS stale,
           sum(s.share) FILTER (WHERE s.kind = 'break') AS broken,
           sum(s.share) FILTER (WHERE s.kind = 'overridden') AS overridden,
           sum(s.share) FILTER (WHERE s.kind = 'uncompared') AS uncompared,
           bool_or(s.kind = 'flagged') AS flagged, string_agg(DISTINCT s.reason, '; ') AS reasons
    FROM (
        SELECT e.kind, e.reason,
               CASE WHEN e.currency = d.currency AND d.end_market_value <> 0
                    THEN least(e.amount / abs(d.end_market_value::float8), 1) ELSE 1 END AS share
        FROM marts.account_exception e
        WHERE e.tenant_id = d.tenant_id AND e.account_id = d.account_id
        AND d.as_of_date BETWEEN e.from_date AND e.to_date
    ) s
) x ON true;
COMMENT ON VIEW marts.account_assurance IS
    'How far each row of marts.account_performance_daily can be relied on, at the moment of reading: shares of the account''s value, and the worst in one word.';
COMMENT ON COLUMN marts.account_assurance.tenant_id IS 'The client firm.';
COMMENT ON COLUMN marts.account_assurance.account_id IS 'The firm''s own account identifier.';
COMMENT ON COLUMN marts.account_assurance.as_of_date IS 'Valuation date of the row.';
COMMENT ON COLUMN marts.account_assurance.stale_share IS 'Share of the value that is or is priced as before for longer than tolerated, from 0 to 1.';
COMMENT ON COLUMN marts.account_assurance.break_share IS 'Share that is in a break that nobody has accepted: of a break about cash the cash, else the whole account.';
COMMENT ON COLUMN marts.account_assurance.carried_share IS 'Always 0: an account''s row has a value of its own date.';
COMMENT ON COLUMN marts.account_assurance.overridden_share IS 'Share that a person has released or whose break a person has accepted.';
COMMENT ON COLUMN marts.account_assurance.uncompared_share IS 'Share for which there was nobody''s figure to compare with.';
COMMENT ON COLUMN marts.account_assurance.assurance IS
    'The worst that holds, from the worst: unknown (a control did not run), unreconciled (a break, or nothing to compare with), stale, overridden, flagged (another warning), unwatched (no rule looks for what stands still), verified.';
COMMENT ON COLUMN marts.account_assurance.reasons IS 'Why it is not verified; empty where it is.';
GRANT SELECT ON marts.account_assurance TO dietz_analyst;

-- 5. Groups: written by each publication for the dates concerned, since it takes all members to say it
CREATE TABLE marts.group_assurance (
    tenant_id text NOT NULL,
    group_type text NOT NULL,
    group_id text NOT NULL,
    as_of_date date NOT NULL,
    stale_share double precision NOT NULL,
    break_share double precision NOT NULL,
    carried_share double precision NOT NULL,
    overridden_share double precision NOT NULL,
    uncompared_share double precision NOT NULL,
    assurance text NOT NULL,
    reasons text NOT NULL,
    run_id text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, group_type, group_id, as_of_date)
);
SELECT security.protect('marts.group_assurance');
GRANT SELECT ON marts.group_assurance TO dietz_analyst;
COMMENT ON TABLE marts.group_assurance IS
    'How far each row of marts.group_performance_daily can be relied on, as of the last publication: shares of the group''s value, members weighing by theirs, and the worst in one word.';
COMMENT ON COLUMN marts.group_assurance.tenant_id IS 'The client firm.';
COMMENT ON COLUMN marts.group_assurance.group_type IS 'Kind of group.';
COMMENT ON COLUMN marts.group_assurance.group_id IS 'The group; of the group tenant the tenant_id.';
COMMENT ON COLUMN marts.group_assurance.as_of_date IS 'Date of the group''s row.';
COMMENT ON COLUMN marts.group_assurance.stale_share IS 'Share of the value that is or is priced as before for longer than tolerated, from 0 to 1.';
COMMENT ON COLUMN marts.group_assurance.break_share IS 'Share that is in a break that nobody has accepted.';
COMMENT ON COLUMN marts.group_assurance.carried_share IS 'Share of members without a row on the date, carried at their last value.';
COMMENT ON COLUMN marts.group_assurance.overridden_share IS 'Share that a person has released or whose break a person has accepted.';
COMMENT ON COLUMN marts.group_assurance.uncompared_share IS 'Share for which there was nobody''s figure to compare with.';
COMMENT ON COLUMN marts.group_assurance.assurance IS
    'The worst that holds of any member, from the worst: unknown (a control did not run), unreconciled (a break, or nothing to compare with), stale, overridden, carried, flagged (another warning), unwatched (no rule looks for what stands still), verified.';
COMMENT ON COLUMN marts.group_assurance.reasons IS 'How many members are concerned by what; empty where the group is verified.';
COMMENT ON COLUMN marts.group_assurance.run_id IS 'The run whose publication found it so.';
COMMENT ON COLUMN marts.group_assurance.published_at IS 'When this version of the row became visible.';

-- 6. Figures with their assurance beside them; a row of which nothing is said is unknown
CREATE VIEW marts.assured_performance_daily WITH (security_invoker) AS
SELECT d.tenant_id, d.account_id, d.as_of_date, d.currency, d.begin_market_value, d.net_flow, d.end_market_value,
       d.gain_loss, d.twrr_daily, d.twrr_mtd, d.twrr_qtd, d.twrr_ytd, d.twrr_itd, d.status, a.assurance, a.reasons,
       a.stale_share, a.break_share, a.carried_share, a.overridden_share, a.uncompared_share, d.published_at
FROM marts.account_performance_daily d JOIN marts.account_assurance a USING (tenant_id, account_id, as_of_date);
CREATE VIEW marts.assured_group_performance_daily WITH (security_invoker) AS
SELECT g.tenant_id, g.group_type, g.group_id, g.as_of_date, g.currency, g.members, g.carried_members,
       g.begin_market_value, g.net_flow, g.end_market_value, g.gain_loss, g.twrr_daily, g.twrr_mtd, g.twrr_qtd,
       g.twrr_ytd, g.twrr_itd, g.status, coalesce(a.assurance, 'unknown') AS assurance,
       coalesce(a.reasons, 'no control is known to have run') AS reasons, a.stale_share, a.break_share,
       a.carried_share, a.overridden_share, a.uncompared_share, g.published_at
FROM marts.group_performance_daily g LEFT JOIN marts.group_assurance a USING (tenant_id, group_type, group_id, as_of_date);

COMMENT ON VIEW marts.assured_performance_daily IS 'Rows of marts.account_performance_daily with how far each can be relied on.';
COMMENT ON COLUMN marts.assured_performance_daily.tenant_id IS 'The client firm.';
COMMENT ON COLUMN marts.assured_performance_daily.account_id IS 'The firm''s own account identifier.';
COMMENT ON COLUMN marts.assured_performance_daily.as_of_date IS 'Date of the row.';
COMMENT ON COLUMN marts.assured_performance_daily.currency IS 'Currency of the amounts.';
COMMENT ON COLUMN marts.assured_performance_daily.begin_market_value IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_performance_daily.net_flow IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_performance_daily.end_market_value IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_performance_daily.gain_loss IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_performance_daily.twrr_daily IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_performance_daily.twrr_mtd IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_performance_daily.twrr_qtd IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_performance_daily.twrr_ytd IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_performance_daily.twrr_itd IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_performance_daily.status IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_performance_daily.assurance IS 'The worst that stands against the row, in one word; verified: nothing, and every control ran.';
COMMENT ON COLUMN marts.assured_performance_daily.reasons IS 'Why it is not verified.';
COMMENT ON COLUMN marts.assured_performance_daily.stale_share IS 'Share of the value that is stale or stale-priced.';
COMMENT ON COLUMN marts.assured_performance_daily.break_share IS 'Share that is in break.';
COMMENT ON COLUMN marts.assured_performance_daily.carried_share IS 'Share that is carried.';
COMMENT ON COLUMN marts.assured_performance_daily.overridden_share IS 'Share that a person has released or accepted.';
COMMENT ON COLUMN marts.assured_performance_daily.uncompared_share IS 'Share that nobody''s figure was there to compare with.';
COMMENT ON COLUMN marts.assured_performance_daily.published_at IS 'When the figures became visible; what is said of them changes nothing here.';
GRANT SELECT ON marts.assured_performance_daily TO dietz_analyst;
COMMENT ON VIEW marts.assured_group_performance_daily IS 'Rows of marts.group_performance_daily with how far each can be relied on.';
COMMENT ON COLUMN marts.assured_group_performance_daily.tenant_id IS 'The client firm.';
COMMENT ON COLUMN marts.assured_group_performance_daily.group_type IS 'Kind of group.';
COMMENT ON COLUMN marts.assured_group_performance_daily.group_id IS 'The group; of the group tenant the tenant_id.';
COMMENT ON COLUMN marts.assured_group_performance_daily.as_of_date IS 'Date of the row.';
COMMENT ON COLUMN marts.assured_group_performance_daily.currency IS 'Currency of the amounts.';
COMMENT ON COLUMN marts.assured_group_performance_daily.members IS 'Members with a row on the date, and those carried.';
COMMENT ON COLUMN marts.assured_group_performance_daily.carried_members IS 'Members without a row on the date, carried at their last value.';
COMMENT ON COLUMN marts.assured_group_performance_daily.begin_market_value IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_group_performance_daily.net_flow IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_group_performance_daily.end_market_value IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_group_performance_daily.gain_loss IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_group_performance_daily.twrr_daily IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_group_performance_daily.twrr_mtd IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_group_performance_daily.twrr_qtd IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_group_performance_daily.twrr_ytd IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_group_performance_daily.twrr_itd IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_group_performance_daily.status IS 'As in the daily mart.';
COMMENT ON COLUMN marts.assured_group_performance_daily.assurance IS 'The worst that stands against the row, in one word; verified: nothing, and every control ran.';
COMMENT ON COLUMN marts.assured_group_performance_daily.reasons IS 'Why it is not verified.';
COMMENT ON COLUMN marts.assured_group_performance_daily.stale_share IS 'Share of the value that is stale or stale-priced.';
COMMENT ON COLUMN marts.assured_group_performance_daily.break_share IS 'Share that is in break.';
COMMENT ON COLUMN marts.assured_group_performance_daily.carried_share IS 'Share that is carried.';
COMMENT ON COLUMN marts.assured_group_performance_daily.overridden_share IS 'Share that a person has released or accepted.';
COMMENT ON COLUMN marts.assured_group_performance_daily.uncompared_share IS 'Share that nobody''s figure was there to compare with.';
COMMENT ON COLUMN marts.assured_group_performance_daily.published_at IS 'When the figures became visible; what is said of them changes nothing here.';
GRANT SELECT ON marts.assured_group_performance_daily TO dietz_analyst;

-- 7. May the night be read?
ALTER TABLE marts.night_status ADD COLUMN may_read boolean NOT NULL DEFAULT false;
ALTER TABLE marts.night_status ADD COLUMN reason text NOT NULL DEFAULT 'published before this was asked';
COMMENT ON COLUMN marts.night_status.may_read IS
    'Whether another job may read the night: all that the source delivers on most nights came and passed the gate, no account of the tenant is withheld, and every step and control ran.';
COMMENT ON COLUMN marts.night_status.reason IS 'Why it may not be read; empty where it may.';
