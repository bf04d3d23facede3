"""`dietz files`: what came, what it was taken for, and what became of it."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from jobs.cli.options import JsonOption, TenantOption
from jobs.cli.terminal import console
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings


def files(
    tenant: TenantOption = None,
    status: Annotated[str | None, typer.Option("--status", help="Only files of this status.")] = None,
    last: Annotated[int, typer.Option("--last", help="How many, newest last; 0 for all.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the files of the ledger, in order of arrival."""
    found = [
        one
        for one in Ledger(Settings()).files(status=[status] if status else None)
        if tenant is None or one.tenant_id == tenant
    ]
    shown = found[-last:] if last else found
    if as_json:
        fields = (
            "file_id",
            "tenant_id",
            "path",
            "member",
            "vendor",
            "feed",
            "business_date",
            "status",
            "lines",
            "records",
        )
        more = ("silver", "quarantined", "skipped", "message", "arrival_no")
        typer.echo(
            json.dumps([{name: getattr(one, name) for name in fields + more} for one in shown], default=str, indent=1)
        )
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("tenant", "file", "feed", "date", "status"):
        table.add_column(title, overflow="fold")
    for title in ("records", "silver", "quarantined", "skipped"):
        table.add_column(title, justify="right")
    table.add_column("message", overflow="fold")
    for one in shown:
        name = one.path.split("/", 1)[-1] + (f" / {one.member}" if one.member else "")
        counts = [f"{n:,}" if n is not None else "" for n in (one.records, one.silver, one.quarantined, one.skipped)]
        table.add_row(
            one.tenant_id, name, one.feed or "", str(one.business_date or ""), one.status, *counts, one.message or ""
        )
    console().print(table)
    if len(found) > len(shown):
        typer.echo(f"{len(found) - len(shown)} earlier files are not shown (--last 0 shows all)")
