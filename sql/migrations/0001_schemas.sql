-- The schemas, by audience and trust. dietz_loader owns them (it is the current role of every migration).
-- ops exists already: it holds the migrations' own bookkeeping.
CREATE SCHEMA stage;
CREATE SCHEMA marts;
CREATE SCHEMA history;
CREATE SCHEMA security;

COMMENT ON SCHEMA stage IS 'Rows on their way in; for dietz_loader only.';
COMMENT ON SCHEMA marts IS 'What analysts query, under row-level security by tenant.';
COMMENT ON SCHEMA history IS 'Rows as they were published before a restatement, with the time during which they counted.';
COMMENT ON SCHEMA ops IS 'Runs, steps, files and publications; for dietz_loader only.';
COMMENT ON SCHEMA security IS 'Which login role may see which tenant.';

GRANT USAGE ON SCHEMA marts, history, security TO dietz_analyst;
