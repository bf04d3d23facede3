-- Which files' waiting rows a run takes through normalise again, once a mapping has been mended.
CREATE TABLE ops.replay (
    run_no bigint NOT NULL,
    file_id text NOT NULL,
    done_at timestamptz,
    PRIMARY KEY (run_no, file_id)
);
CREATE INDEX replay_file ON ops.replay (file_id);
COMMENT ON TABLE ops.replay IS 'One row per file and run that takes its waiting rows through again.';
COMMENT ON COLUMN ops.replay.run_no IS 'The run; the rows that it took through carry its number in the lake.';
COMMENT ON COLUMN ops.replay.file_id IS 'The file whose rows waited.';
COMMENT ON COLUMN ops.replay.done_at IS 'When the file''s books were written; NULL: begun, the next normalise ends it.';
