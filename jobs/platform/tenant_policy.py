"""The settings that a tenant's published numbers were made with, so that a change of them does not go unseen.

A change of `conf/tenants/` or `conf/calendars/` recalculates nothing by itself: from which day on the new setting holds
is for a person to say, by a run with `--from`. Until then `dietz status` names what has changed.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from jobs.platform.business_calendar import calendar_of
from jobs.platform.settings import Settings, Tenant

NO_NUMBER_DEPENDS_ON = {"name", "calendar"}  # of a calendar its holidays count, not its name
HOLIDAYS = "holidays"


def note(
    connection: psycopg.Connection, settings: Settings, tenant_id: str, through: date, run_id: str, *, anew: bool
) -> None:
    """Write down the present settings as those of the published numbers up to `through`, in the caller's transaction.

    Where they have changed since the last time, only if the run has calculated `anew` from a day that somebody named.
    """
    known = _noted(connection).get(tenant_id)
    if known and not anew and _changes(settings, tenant_id, *known):
        return
    last = max(through, known[1]) if known else through
    connection.execute(
        "INSERT INTO ops.tenant_policy (tenant_id, settings, through, run_id) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (tenant_id) DO UPDATE SET (settings, through, run_id)"
        " = ROW (excluded.settings, excluded.through, excluded.run_id)",
        [tenant_id, Jsonb(_present(settings, tenant_id, last)), last, run_id],
    )


def changes(connection: psycopg.Connection, settings: Settings) -> dict[str, list[str]]:
    """tenant_id -> what has changed since the published numbers were made, in words; without those with no change."""
    found = {tenant: _changes(settings, tenant, *known) for tenant, known in sorted(_noted(connection).items())}
    return {tenant: words for tenant, words in found.items() if words}


def _noted(connection: psycopg.Connection) -> dict[str, tuple[dict[str, Any], date]]:
    rows = connection.execute("SELECT tenant_id, settings, through FROM ops.tenant_policy").fetchall()
    return {tenant_id: (noted, through) for tenant_id, noted, through in rows}


def _present(settings: Settings, tenant_id: str, through: date) -> dict[str, Any]:
    holidays = calendar_of(settings, tenant_id).weekday_holidays
    chosen = settings.tenant(tenant_id).model_dump(mode="json", exclude=NO_NUMBER_DEPENDS_ON)
    return {**chosen, HOLIDAYS: [day.isoformat() for day in holidays if day <= through]}


def _changes(settings: Settings, tenant_id: str, noted: dict[str, Any], through: date) -> list[str]:
    # A setting that an earlier version did not know had its default.
    before = {**Tenant().model_dump(mode="json", exclude=NO_NUMBER_DEPENDS_ON), **noted}
    present = _present(settings, tenant_id, through)
    words = [
        f"{name} was {before[name]} and is {value}"
        for name, value in present.items()
        if name != HOLIDAYS and before[name] != value
    ]
    others = sorted(set(before[HOLIDAYS]) ^ set(present[HOLIDAYS]))
    return words + ([f"holidays were others ({', '.join(others)})"] if others else [])
