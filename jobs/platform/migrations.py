"""Migrations: the numbered SQL files of `sql/migrations`, run by Alembic in one transaction.

A new migration is a new file `NNNN_purpose.sql`; nothing else is to be written.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, update_wrapper
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg

from jobs.platform import comments, database, mart_columns, schemas
from jobs.platform.settings import PROJECT_ROOT, Settings

SQL = PROJECT_ROOT / "sql"
LOCK = 0x6D696772  # any number that all processes share


def migrate(settings: Settings) -> str:
    """Bring the database to the newest version, its comments to what `schemas/` says. Returns that version.

    Several processes may do so at once: the later ones wait, then find nothing to do.
    """
    return migrate_url(database.url(settings))


def ensure(settings: Settings) -> None:
    """Migrate where the database is behind its migrations or `schemas/`; costs one query where it is not."""
    address = database.url(settings)
    with database.open_url(address, autocommit=True) as connection:
        if connection.execute("SELECT to_regclass('ops.schema_fingerprint')").fetchone() != (None,):
            found = connection.execute(
                "SELECT version_num, (SELECT fingerprint FROM ops.schema_fingerprint) FROM ops.schema_version"
            ).fetchone()
            # Newer: a later dietz has been here, and its tables are a superset.
            if found and (found[0] > newest() or (found[0] == newest() and found[1] == schemas.fingerprint())):
                return
    migrate_url(address)


def newest() -> str:
    """Number of the last migration file."""
    return _number(max(SQL.glob("migrations/*.sql")))


def migrate_url(address: str) -> str:
    """As `migrate`, for a database that is named by its URI."""
    # Alembic and SQLAlchemy take a third of a second to import: only where there is something to migrate.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script.base import Script, ScriptDirectory
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    class NumberedSql(ScriptDirectory):
        """Alembic's revisions, read from numbered SQL files instead of Python modules."""

        def _load_revisions(self) -> Iterator[Script]:
            before = None
            for path in sorted(Path(self.dir).glob("*.sql")):
                module: Any = ModuleType(path.stem)
                module.revision, module.down_revision = _number(path), before
                module.upgrade = update_wrapper(partial(_execute, path), _execute)  # Alembic's log wants its name
                before = module.revision
                yield Script(module, module.revision, path)

    def _execute(path: Path) -> None:
        raw.execute(path.read_bytes())

    engine = create_engine("postgresql+psycopg://", creator=lambda: database.open_url(address), poolclass=NullPool)
    with engine.begin() as connection:
        raw: psycopg.Connection = connection.connection.driver_connection  # type: ignore[assignment]
        raw.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        raw.execute((SQL / "roles" / "roles.sql").read_bytes())
        raw.execute("SET LOCAL ROLE dietz_loader")  # so that it owns whatever the migrations make
        raw.execute("CREATE SCHEMA IF NOT EXISTS ops")
        script = NumberedSql(SQL / "migrations")
        with EnvironmentContext(Config(), script, fn=lambda at, _: script._upgrade_revs("head", at)) as environment:
            environment.configure(connection, version_table="schema_version", version_table_schema="ops")
            environment.run_migrations()
        mart_columns.apply(raw)
        comments.apply(raw)
        raw.execute("DELETE FROM ops.schema_fingerprint")
        raw.execute("INSERT INTO ops.schema_fingerprint VALUES (%s)", [schemas.fingerprint()])
    return newest()


def _number(path: Path) -> str:
    return path.name.split("_")[0]
