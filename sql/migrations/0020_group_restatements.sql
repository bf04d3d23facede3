-- A group's restatement has a preview while members of it wait.
ALTER TABLE marts.restatement DROP CONSTRAINT restatement_state_check;
ALTER TABLE marts.restatement ADD CONSTRAINT restatement_state_check
    CHECK (state IN ('published', 'waiting', 'approved', 'withdrawn', 'preview'));
