-- What needs a person: breaks between the vendor's figures and ours, largest first
SELECT tenant_id, source_vendor, type, account_id, as_of_date, ours, theirs, difference, difference_bps, severity
FROM marts.reconciliation_break
WHERE state = 'open'
ORDER BY abs(difference_bps) DESC NULLS LAST
LIMIT 20;
