"""Breaks as the page of the night and the command line show them: those of the largest band first, of a band the most
money, then what moves a return most; and where they hold a vendor's account number."""

from __future__ import annotations

from jobs.platform.settings import Settings

# Where a break holds a number of the vendor's and no identifier of the firm's own.
VENDORS_NUMBER = {"account_new": "account_id", "account_renumbered": "item"}
# The account's row of the break's last date, in its own currency (p) and, where that is another, in the tenant's (r).
VALUED = """
LEFT JOIN marts.account_performance_daily p ON p.tenant_id = b.tenant_id AND p.account_id = b.account_id
      AND p.as_of_date = coalesce(b.through_date, b.as_of_date)
LEFT JOIN marts.account_performance_reporting r
      ON r.tenant_id = p.tenant_id AND r.account_id = p.account_id AND r.as_of_date = p.as_of_date
"""
# The currency of the difference; a quantity has none. Cash names its own.
CURRENCY = """
CASE WHEN b.type IN ('cash_balance', 'cash_roll') THEN coalesce(b.item, p.currency)
     WHEN b.type <> 'position_quantity' THEN p.currency END
"""
# Bands have the firm's own names, so `bands` says which is of which size. Money counts in the tenant's currency as far
# as the account's row tells its rate.
LARGEST_FIRST = """
(%(bands)s::jsonb ->> b.materiality)::integer NULLS LAST,
CASE WHEN b.type <> 'position_quantity' THEN abs(b.difference) * CASE
     WHEN b.type IN ('cash_balance', 'cash_roll') AND b.item <> p.currency THEN 1
     ELSE coalesce(r.end_market_value / nullif(p.end_market_value, 0), 1) END END DESC NULLS LAST,
abs(b.difference_bps) DESC NULLS LAST, b.tenant_id, b.account_id, b.as_of_date, b.type, b.item
"""


def bands(settings: Settings) -> dict[str, int]:
    """The bands by materiality of conf/breaks.yaml, 0 the largest; a name in several scopes has its largest place."""
    from jobs.reconcile.desk import load_breaks

    places = [
        (place, band.name)
        for scope in load_breaks(settings).bands
        for place, band in enumerate(reversed(scope.materiality))
    ]
    return {name: place for place, name in sorted(places, reverse=True)}
