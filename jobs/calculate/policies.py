"""What differs per tenant, as SQL: few tenants, so a literal or a short CASE rather than a join."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.platform.settings import Tenant

Policies = Mapping[str, Tenant]


def per_tenant(policies: Policies, name: str) -> str:
    """The tenant's setting `name`, by the row's tenant_id; a tenant that is not in `policies` has the default."""
    default = getattr(Tenant(), name)
    cases = [
        f"WHEN tenant_id = {literal(tenant_id)} THEN {literal(getattr(tenant, name))}"
        for tenant_id, tenant in sorted(policies.items())
        if getattr(tenant, name) != default
    ]
    return f"(CASE {' '.join(cases)} ELSE {literal(default)} END)" if cases else literal(default)


def source_rank(policies: Policies) -> Column:
    """`source_rank_sql` as a column."""
    return F.expr(source_rank_sql(policies))


def source_rank_sql(policies: Policies) -> str:
    """Text that sorts the vendors of a tenant: the listed ones in the order of source_priority, the others after
    them by name."""
    cases = [
        f"WHEN tenant_id = {literal(tenant_id)} AND vendor = {literal(vendor)} THEN '{place:05d}'"
        for tenant_id, tenant in sorted(policies.items())
        for place, vendor in enumerate(tenant.source_priority)
    ]
    unlisted = "concat('99999 ', vendor)"
    return f"(CASE {' '.join(cases)} ELSE {unlisted} END)" if cases else unlisted


def literal(value: str | int) -> str:
    """A SQL literal."""
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
