-- Messages are sent until they have gone out, through each channel by itself; and what is of a night is remembered by
-- night, so that a backfill leaves alone what other nights were told.
CREATE TABLE ops.alert_sent (
    business_date date NOT NULL,
    message_no integer NOT NULL,
    channel text NOT NULL CHECK (channel IN ('email', 'webhook')),
    sent_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (business_date, message_no, channel),
    FOREIGN KEY (business_date, message_no) REFERENCES ops.alert_message
);
COMMENT ON TABLE ops.alert_sent IS 'Which message to operators has gone out through which channel.';
COMMENT ON COLUMN ops.alert_sent.business_date IS 'The night, as in ops.alert_message.';
COMMENT ON COLUMN ops.alert_sent.message_no IS 'Which message of that night.';
COMMENT ON COLUMN ops.alert_sent.channel IS 'email or webhook, as in conf/local.yaml.';
COMMENT ON COLUMN ops.alert_sent.sent_at IS 'When the server at the other end had taken it.';
-- Until now nothing was sent a second time.
INSERT INTO ops.alert_sent (business_date, message_no, channel, sent_at)
SELECT business_date, message_no, channel, said_at FROM ops.alert_message, unnest(ARRAY['email', 'webhook']) channel;

ALTER TABLE ops.alert_cause ADD COLUMN business_date date;
COMMENT ON COLUMN ops.alert_cause.business_date IS 'Of what is of a night, the night; NULL of what lasts whatever the night.';
UPDATE ops.alert_cause SET business_date = seen_on WHERE cause ~ '^(step|rule|missing)/';
ALTER TABLE ops.alert_cause DROP CONSTRAINT alert_cause_pkey;
ALTER TABLE ops.alert_cause ADD UNIQUE NULLS NOT DISTINCT (cause, business_date);
