"""Breaks of which nothing was compared tonight: what was said of them meanwhile, acceptances that are over, age."""

from __future__ import annotations

import psycopg

from jobs.platform.business_calendar import calendar_of
from jobs.platform.settings import Settings
from jobs.reconcile.desk import load_breaks
from jobs.reconcile.levels import LIVING

# What a person said after the run had looked at the record: the row that has just been published does not know of it.
SAID_MEANWHILE = """
SELECT security.apply_break_event(e)
FROM ops.break_event e JOIN marts.reconciliation_break b USING (tenant_id, break_id)
WHERE e.event_no > coalesce(b.event_no, 0) ORDER BY e.event_no
"""
OVER = """
INSERT INTO ops.break_event (tenant_id, break_id, event)
SELECT b.tenant_id, b.break_id, 'expire'
FROM marts.reconciliation_break b JOIN ops.tenant_progress t USING (tenant_id)
WHERE b.state = 'accepted' AND b.accepted_until < t.calculated_through AND b.tenant_id = ANY (%s)
ORDER BY b.tenant_id, b.break_id
"""
BEGUN = """
SELECT DISTINCT b.tenant_id, b.source_vendor, b.first_seen_on, t.calculated_through
FROM marts.reconciliation_break b JOIN ops.tenant_progress t USING (tenant_id)
WHERE b.state = ANY (%s) AND b.tenant_id = ANY (%s) AND b.first_seen_on <= t.calculated_through
"""
AGED = """
UPDATE marts.reconciliation_break b SET age_days = a.days, age_band = a.band
FROM unnest(%s::text[], %s::text[], %s::date[], %s::int[], %s::text[]) a (tenant_id, vendor, begun, days, band)
WHERE b.state = ANY (%s) AND b.tenant_id = a.tenant_id AND b.source_vendor = a.vendor AND b.first_seen_on = a.begun
AND (b.age_days, b.age_band) IS DISTINCT FROM (a.days, a.band)
"""


def bring_up_to_date(connection: psycopg.Connection, settings: Settings, tenants: list[str]) -> None:
    """In the transaction that publishes a night of these tenants, once their breaks and their progress are in place.

    A day more is no other version of a row: published_at stays.
    """
    connection.execute(SAID_MEANWHILE)
    connection.execute(OVER, [tenants])
    conf = load_breaks(settings)
    calendars = {tenant_id: calendar_of(settings, tenant_id) for tenant_id in tenants}
    ages = []
    # As many rows as there are days on which a break that lives was first seen.
    for tenant_id, vendor, begun, night in connection.execute(BEGUN, [LIVING, tenants]).fetchall():
        calendar, bands = calendars[tenant_id], conf.bands_of(tenant_id, vendor)
        days = calendar.business_day_no(night) - calendar.business_day_no(begun)
        ages.append((tenant_id, vendor, begun, days, bands and bands.age_band(days)))
    if ages:
        connection.execute(AGED, [*map(list, zip(*ages, strict=True)), LIVING])
