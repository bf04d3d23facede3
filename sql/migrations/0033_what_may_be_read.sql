-- What the flag stands for: the steps ran. Which controls ran is in marts.run_control, and in each row's assurance.
COMMENT ON COLUMN marts.night_status.may_read IS
    'Whether another job may read the night: all that the source delivers on most nights came and passed the gate, accounts have rows of the date, none of the tenant''s is withheld, and every step from detect to reconcile ran. Which controls ran says marts.run_control.';
