-- What operators were told: each cause once, as long as it lasts, and the messages themselves.
CREATE TABLE ops.alert_cause (
    cause text NOT NULL,
    tenant_id text,
    severity text NOT NULL CHECK (severity IN ('bad', 'warn')),
    told_on date NOT NULL,
    seen_on date NOT NULL,
    PRIMARY KEY (cause)
);
COMMENT ON TABLE ops.alert_cause IS 'Causes that last: told once, gone when a night does not have them any more.';
COMMENT ON COLUMN ops.alert_cause.cause IS 'Kind and a hash of what it is about: no account and no name in clear.';
COMMENT ON COLUMN ops.alert_cause.tenant_id IS 'The client firm; NULL where it is about the run.';
COMMENT ON COLUMN ops.alert_cause.severity IS 'bad: somebody must act; warn: somebody should look.';
COMMENT ON COLUMN ops.alert_cause.told_on IS 'Business date of the night that first told it.';
COMMENT ON COLUMN ops.alert_cause.seen_on IS 'Business date of the night that last had it.';

CREATE TABLE ops.alert_message (
    business_date date NOT NULL,
    message_no integer NOT NULL,
    said_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    message text NOT NULL,
    PRIMARY KEY (business_date, message_no)
);
COMMENT ON TABLE ops.alert_message IS 'Messages to operators: one a night, and another only where something new came to it.';
COMMENT ON COLUMN ops.alert_message.business_date IS 'The night.';
COMMENT ON COLUMN ops.alert_message.message_no IS 'Which message of that night, from 1.';
COMMENT ON COLUMN ops.alert_message.said_at IS 'When it was written.';
COMMENT ON COLUMN ops.alert_message.message IS 'Its text.';
