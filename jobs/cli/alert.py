"""`dietz alert`: the night's message to operators."""

from __future__ import annotations

import typer

from jobs.cli.options import DateOption
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings


def alert(business_date: DateOption) -> None:
    """Write and print what is new on a night; `dietz run` and Airflow do so by themselves."""
    from jobs.report.alert import write_alert

    settings = Settings()
    Ledger(settings).close()  # starts and migrates the database where needed
    message = write_alert(settings, business_date)
    typer.echo(message or f"nothing new on {business_date}; what was said is in {settings.folder('alerts')}")
