"""What differs per tenant, as columns: few tenants, so a literal or a short CASE rather than a join."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.platform.settings import Tenant

Policies = Mapping[str, Tenant]

LISTED_RANK = "{:05d}"
UNLISTED_RANK = "99999 "


def per_tenant(policies: Policies, name: str) -> Column:
    """The tenant's setting `name`, by the row's tenant_id; a tenant that is not in `policies` has the default."""
    values = {tenant_id: getattr(tenant, name) for tenant_id, tenant in policies.items()}
    return _by_tenant(values, getattr(Tenant(), name))


def source_rank(policies: Policies) -> Column:
    """Text that sorts the vendors of a tenant: the listed ones in the order of source_priority, the others after
    them by name."""
    ranks: Column | None = None
    for tenant_id, tenant in sorted(policies.items()):
        for place, vendor in enumerate(tenant.source_priority):
            here = (F.col("tenant_id") == tenant_id) & (F.col("vendor") == vendor)
            rank = F.lit(LISTED_RANK.format(place))
            ranks = F.when(here, rank) if ranks is None else ranks.when(here, rank)
    unlisted = F.concat(F.lit(UNLISTED_RANK), F.col("vendor"))
    return unlisted if ranks is None else ranks.otherwise(unlisted)


def _by_tenant(values: Mapping[str, Any], default: Any) -> Column:
    chosen: Column | None = None
    for tenant_id, value in sorted(values.items()):
        if value == default:
            continue
        here = F.col("tenant_id") == tenant_id
        chosen = F.when(here, F.lit(value)) if chosen is None else chosen.when(here, F.lit(value))
    return F.lit(default) if chosen is None else chosen.otherwise(F.lit(default))
