"""Which tenant's account a command means: an account_id may exist in two tenants."""

from __future__ import annotations

import psycopg

from jobs.platform.errors import DietzError


def tenant_of(connection: psycopg.Connection, account_id: str, tenant: str | None) -> str:
    """The tenant that has the account. Raises DietzError where none has it, or several do and none was named."""
    found = [
        tenant_id
        for (tenant_id,) in connection.execute(
            "SELECT tenant_id FROM marts.account WHERE account_id = %s ORDER BY 1", [account_id]
        )
    ]
    if tenant is None and len(found) > 1:
        raise DietzError(f"account '{account_id}' exists in {' and '.join(found)}: say which by --tenant")
    if not found or tenant not in (None, *found):
        where = f"of tenant '{tenant}'" if tenant else "of any tenant"
        hint = f"; {', '.join(found)} has it" if found else ""
        raise DietzError(f"marts.account has no account '{account_id}' {where}{hint}")
    return tenant or found[0]
