-- The run ledger: what ran, which file went where, how far each tenant has come, what was published.
CREATE TABLE ops.run (
    run_id text PRIMARY KEY,
    run_no bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    business_date date NOT NULL,
    from_date date,
    tenant text,
    vendor text,
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'done', 'failed')),
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    code_version text NOT NULL,
    summary jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE ops.run IS 'One row per run of the pipeline.';
COMMENT ON COLUMN ops.run.run_id IS 'Name of the run; the scheduler''s own where it gave one.';
COMMENT ON COLUMN ops.run.run_no IS 'Number of the run; grows with every run and marks the rows it wrote in the lake.';
COMMENT ON COLUMN ops.run.business_date IS 'Rows with a date up to this one are published.';
COMMENT ON COLUMN ops.run.from_date IS 'First date to be calculated again; NULL: everything that is due.';
COMMENT ON COLUMN ops.run.tenant IS 'Tenant that the run was limited to; NULL: all.';
COMMENT ON COLUMN ops.run.vendor IS 'Vendor that the run was limited to; NULL: all.';
COMMENT ON COLUMN ops.run.status IS 'running, done or failed.';
COMMENT ON COLUMN ops.run.started_at IS 'When the run was opened.';
COMMENT ON COLUMN ops.run.ended_at IS 'When it ended; NULL while it runs or after it was killed.';
COMMENT ON COLUMN ops.run.code_version IS 'Version of dietz that ran.';
COMMENT ON COLUMN ops.run.summary IS 'Counts of the run, as shown at its end.';

CREATE TABLE ops.step_run (
    run_id text NOT NULL REFERENCES ops.run,
    step text NOT NULL,
    attempt integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'done', 'failed')),
    details jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (run_id, step, attempt)
);
COMMENT ON TABLE ops.step_run IS 'One row per attempt of a step of a run, written when the step begins.';
COMMENT ON COLUMN ops.step_run.run_id IS 'The run.';
COMMENT ON COLUMN ops.step_run.step IS 'detect, ingest, normalise, check, calculate, reconcile or publish.';
COMMENT ON COLUMN ops.step_run.attempt IS 'From 1; more than 1 where the step was run again.';
COMMENT ON COLUMN ops.step_run.started_at IS 'When the attempt began.';
COMMENT ON COLUMN ops.step_run.ended_at IS 'When it ended; NULL while it runs.';
COMMENT ON COLUMN ops.step_run.status IS 'running, done or failed.';
COMMENT ON COLUMN ops.step_run.details IS 'Counters of the step; the error where it failed.';

CREATE SEQUENCE ops.arrival_no AS bigint;
COMMENT ON SEQUENCE ops.arrival_no IS 'Order in which files arrived; the later one wins per key.';

CREATE TABLE ops.file (
    file_id text PRIMARY KEY,
    tenant_id text NOT NULL,
    path text NOT NULL,
    member text NOT NULL DEFAULT '',
    size_bytes bigint NOT NULL,
    modified_at timestamptz NOT NULL,
    sha256 text,
    vendor text,
    feed text,
    mapping_version text,
    business_date date,
    status text NOT NULL CHECK (status IN ('waiting', 'duplicate', 'unrecognised', 'refused', 'detected', 'ingested',
                                           'normalised', 'accepted', 'withheld')),
    run_no bigint,
    arrival_no bigint NOT NULL UNIQUE,
    detection jsonb NOT NULL DEFAULT '{}',
    lines bigint,
    records bigint,
    silver bigint,
    quarantined bigint,
    skipped bigint,
    message text,
    registered_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX file_path ON ops.file (tenant_id, path, member, arrival_no);
CREATE INDEX file_content ON ops.file (tenant_id, sha256);
CREATE INDEX file_status ON ops.file (status) WHERE status NOT IN ('accepted', 'duplicate');
COMMENT ON TABLE ops.file IS 'One row per delivered file (or member of an archive) and version of it.';
COMMENT ON COLUMN ops.file.file_id IS 'Identifier of the file, carried by every row that came from it.';
COMMENT ON COLUMN ops.file.tenant_id IS 'The client firm: the folder in landing.';
COMMENT ON COLUMN ops.file.path IS 'Path below landing.';
COMMENT ON COLUMN ops.file.member IS 'Path within the archive; empty for a plain file.';
COMMENT ON COLUMN ops.file.size_bytes IS 'Size of the file on disk, in bytes.';
COMMENT ON COLUMN ops.file.modified_at IS 'Modification time on disk.';
COMMENT ON COLUMN ops.file.sha256 IS 'SHA-256 of the decompressed content; NULL while the file waits.';
COMMENT ON COLUMN ops.file.vendor IS 'Who delivered it, by its content; NULL where unrecognised.';
COMMENT ON COLUMN ops.file.feed IS 'The mapping that reads it; NULL where unrecognised.';
COMMENT ON COLUMN ops.file.mapping_version IS 'Fingerprint of the mapping at that time.';
COMMENT ON COLUMN ops.file.business_date IS 'The date that the file is about, where it says so.';
COMMENT ON COLUMN ops.file.status IS 'waiting, duplicate, unrecognised, refused, detected, ingested, normalised, accepted or withheld.';
COMMENT ON COLUMN ops.file.run_no IS 'The run that took the file; NULL while it waits.';
COMMENT ON COLUMN ops.file.arrival_no IS 'Order of arrival; the later file wins per key.';
COMMENT ON COLUMN ops.file.detection IS 'How it was recognised: header, scores of the candidates, reasons.';
COMMENT ON COLUMN ops.file.lines IS 'Lines in the file.';
COMMENT ON COLUMN ops.file.records IS 'Records that the mapping derives from the lines.';
COMMENT ON COLUMN ops.file.silver IS 'Records that became rows of silver.';
COMMENT ON COLUMN ops.file.quarantined IS 'Records that were quarantined.';
COMMENT ON COLUMN ops.file.skipped IS 'Records that were declared skips: header, trailer, blank, duplicate.';
COMMENT ON COLUMN ops.file.message IS 'Why the file waits, was refused or withheld.';
COMMENT ON COLUMN ops.file.registered_at IS 'When the file was first seen.';

CREATE TABLE ops.tenant_progress (
    tenant_id text PRIMARY KEY,
    calculated_through date NOT NULL,
    run_no bigint NOT NULL
);
COMMENT ON TABLE ops.tenant_progress IS 'How far each tenant is calculated and published.';
COMMENT ON COLUMN ops.tenant_progress.tenant_id IS 'The client firm.';
COMMENT ON COLUMN ops.tenant_progress.calculated_through IS 'Every input dated up to this day is in the published numbers.';
COMMENT ON COLUMN ops.tenant_progress.run_no IS 'Inputs loaded by runs up to this number are in the published numbers.';

CREATE TABLE ops.publication (
    table_name text NOT NULL,
    lake_version bigint NOT NULL,
    run_id text NOT NULL REFERENCES ops.run,
    rows bigint NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (table_name, lake_version)
);
COMMENT ON TABLE ops.publication IS 'Which versions of the lake''s tables have been published; written in the publishing transaction.';
COMMENT ON COLUMN ops.publication.table_name IS 'Published table, schema.table.';
COMMENT ON COLUMN ops.publication.lake_version IS 'Last Delta version of the gold table whose files are published.';
COMMENT ON COLUMN ops.publication.run_id IS 'The run that published it.';
COMMENT ON COLUMN ops.publication.rows IS 'Rows that came from the lake.';
COMMENT ON COLUMN ops.publication.published_at IS 'When the rows became visible.';
