"""A firm's own PostgreSQL (Debian's 15 or newer) instead of the embedded one, and a login that is no superuser."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from pyspark.sql import SparkSession

from jobs.platform import database, migrations
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings
from tests.publishing import Bench, value

pytestmark = pytest.mark.system
DEBIAN = Path("/usr/lib/postgresql")
MON, TUE = date(2026, 1, 5), date(2026, 1, 6)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """URI of the superuser of a throwaway cluster with password logins."""
    versions = sorted((int(path.name) for path in DEBIAN.glob("[0-9]*") if path.name.isdigit()), reverse=True)
    if not versions or versions[0] < 15:
        pytest.skip("needs Debian's package postgresql-15 or newer")
    programs = DEBIAN / str(versions[0]) / "bin"
    user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="dietz-debian-"))
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def execute(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(programs / program), *arguments], user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL
        )

    (folder / "password").write_text("admin", encoding="ascii")
    (folder / "password").chmod(0o644)
    execute("initdb", "-D", f"{folder}/data", "-U", "admin", "-A", "scram-sha-256", f"--pwfile={folder}/password")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    execute("pg_ctl", "-w", "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", options, "start")
    try:
        yield f"postgresql://admin:admin@127.0.0.1:{port}/postgres"
    finally:
        execute("pg_ctl", "-w", "-D", f"{folder}/data", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture
def owner_url(cluster: str) -> str:
    """URI of a database of its own for a login that may create roles and no more, as managed services give it."""
    with psycopg.connect(cluster, autocommit=True) as admin:
        admin.execute("CREATE ROLE etl LOGIN CREATEROLE PASSWORD 'secret'")
        admin.execute("CREATE DATABASE firm OWNER etl")
    return cluster.replace("admin:admin@", "etl:secret@").replace("/postgres", "/firm")


def test_a_firm_s_own_postgres_takes_a_night_and_a_restatement(
    spark: SparkSession, workspace: Path, cluster: str, owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIETZ_DATABASE_URL", owner_url)
    settings = Settings()
    assert database.migrate(settings) == migrations.newest()
    ledger = Ledger(settings)
    with psycopg.connect(cluster.replace("/postgres", "/firm"), autocommit=True) as admin:
        bench = Bench(spark, settings, ledger, admin)
        first = bench.run(MON)
        bench.daily(first, value("A", MON, "0.00000001"), value("Z", MON, "9", tenant_id="zeta"))
        bench.publish(first)
        second = bench.run(TUE)
        bench.write("account_epoch", second, [{"tenant_id": "acme", "account_id": "A", "epoch": 2, "from_date": MON}])
        bench.daily(second, value("A", MON, "2", epoch=2), value("A", TUE, "3", epoch=2))
        bench.publish(second)
        bench.publish(bench.run(TUE))
        admin.execute("CREATE ROLE alice LOGIN PASSWORD 'secret' IN ROLE dietz_analyst")
        admin.execute("INSERT INTO security.tenant_member VALUES ('alice', 'acme')")
    ledger.close()
    with psycopg.connect(owner_url.replace("etl:", "alice:")) as alice:
        rows = "SELECT tenant_id, as_of_date, end_market_value FROM {}.account_performance_daily ORDER BY 2"
        assert alice.execute(rows.format("marts")).fetchall() == [("acme", MON, Decimal(2)), ("acme", TUE, Decimal(3))]
        assert alice.execute(rows.format("history")).fetchall() == [("acme", MON, Decimal("0.00000001"))]
