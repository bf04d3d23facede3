"""`dietz db`: the database."""

from __future__ import annotations

import typer

from jobs.platform import database, migrations
from jobs.platform.settings import Settings

app = typer.Typer(help="The database: the embedded PostgreSQL, or the one of DIETZ_DATABASE_URL.", no_args_is_help=True)


@app.command()
def start() -> None:
    """Start the embedded database and leave it running."""
    settings = Settings()
    if settings.database_url:
        typer.echo("DIETZ_DATABASE_URL names a database of its own; nothing to start")
        return
    database.start(settings)
    typer.echo("started")


@app.command()
def stop() -> None:
    """Stop the embedded database."""
    typer.echo("stopped" if database.stop(Settings()) else "was not running")


@app.command()
def url() -> None:
    """Print the administrator's connection URI and nothing else (starts the database where needed)."""
    settings = Settings()
    migrations.ensure(settings)
    typer.echo(database.url(settings))


@app.command()
def migrate() -> None:
    """Bring the database's objects up to date."""
    migrations.ensure(Settings())
    typer.echo("up to date")
