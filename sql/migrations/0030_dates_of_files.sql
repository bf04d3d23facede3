-- The dates of a file's rows: what is delivered on its own evening is loaded by a run of the day before, and due later.

ALTER TABLE ops.file ADD COLUMN first_date date, ADD COLUMN last_date date;
COMMENT ON COLUMN ops.file.first_date IS 'First date of its dated rows (values, positions, prices, bookings, figures); NULL without.';
COMMENT ON COLUMN ops.file.last_date IS 'Last date of its dated rows; NULL without.';
CREATE INDEX file_last_date ON ops.file (tenant_id, last_date) WHERE status = 'accepted';
