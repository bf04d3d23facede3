-- From which day an account's rows were left out: where it is held from a later day on, the days between are let through.
ALTER TABLE ops.held_back ADD COLUMN held_from date;
COMMENT ON COLUMN ops.held_back.held_from IS
    'First day from which rows were left out; empty: not known, left out by a version that did not write it.';
