"""The DAGs: what they are when parsed, which date they take, that the look-out only looks."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from jobs.pipeline import STEPS
from jobs.platform.settings import PROJECT_ROOT

DAGS = PROJECT_ROOT / "dags"
DESCRIBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
print("\\n" + json.dumps({
    "errors": bag.import_errors,
    "pyspark": "pyspark" in sys.modules,
    "dags": {
        dag.dag_id: {
            "tags": sorted(dag.tags), "doc": dag.doc_md, "catchup": dag.catchup, "runs": dag.max_active_runs,
            "params": dag.params.dump(),
            "tasks": {
                task.task_id: {
                    "owner": task.owner, "retries": task.retries, "timeout": task.execution_timeout.total_seconds(),
                    "tells": bool(task.on_failure_callback), "then": sorted(task.downstream_task_ids),
                    "application": getattr(task, "application", None), "conf": getattr(task, "conf", None),
                    "arguments": getattr(task, "_application_args", None) or getattr(task, "application_args", None),
                } for task in dag.tasks
            },
        } for dag in bag.dags.values()
    },
}))
"""


@pytest.fixture(scope="module")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An AIRFLOW_HOME of the test's own, set before Airflow is imported."""
    home = tmp_path_factory.mktemp("airflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(home))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        patch.setenv("DIETZ_HOME", str(home))
        # Imported as a library, Airflow leaves the logging of the other tests alone.
        patch.setenv("_AIRFLOW__AS_LIBRARY", "1")
        yield home


@pytest.fixture(scope="module")
def described(airflow_home: Path) -> dict[str, Any]:
    """What Airflow makes of the folder dags/, in a process that has imported nothing else."""
    environment = {name: value for name, value in os.environ.items() if name != "_AIRFLOW__AS_LIBRARY"}
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE, str(DAGS)], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def night(airflow_home: Path) -> ModuleType:
    """The module dags/nightly_performance.py."""
    spec = importlib.util.spec_from_file_location("nightly_performance", DAGS / "nightly_performance.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_dag_imports_without_an_error_and_without_spark(described: dict[str, Any]) -> None:
    assert described["errors"] == {}
    assert sorted(described["dags"]) == ["nightly_performance", "performance_on_upload"]
    assert not described["pyspark"]


def test_every_task_has_an_owner_retries_a_time_limit_and_every_dag_a_tier_and_a_runbook(
    described: dict[str, Any],
) -> None:
    for dag in described["dags"].values():
        assert any(tag.startswith("impact/tier_") for tag in dag["tags"])
        assert "docs/operate.md" in dag["doc"]
        assert (dag["catchup"], dag["runs"]) == (False, 1)
        for task in dag["tasks"].values():
            assert task["owner"] == "performance-operations"
            assert task["retries"] >= 1
            assert task["timeout"] > 0


def test_the_night_is_the_seven_steps_in_order_each_with_its_own_job(described: dict[str, Any]) -> None:
    tasks = described["dags"]["nightly_performance"]["tasks"]
    assert list(tasks) == STEPS
    assert [task["then"] for task in tasks.values()] == [*([step] for step in STEPS[1:]), []]
    for step, task in tasks.items():
        assert Path(task["application"]) == PROJECT_ROOT / "jobs" / step / "job.py"
        assert Path(task["application"]).exists()
        assert task["tells"]
        assert task["conf"]["spark.sql.extensions"] == "io.delta.sql.DeltaSparkSessionExtension"


def test_no_module_beside_a_job_hides_one_of_pythons_own() -> None:
    beside = [path for step in STEPS for path in (PROJECT_ROOT / "jobs" / step).glob("*.py")]
    assert [str(path) for path in beside if path.stem in sys.stdlib_module_names] == []


def test_every_argument_of_a_task_is_one_that_the_job_knows(described: dict[str, Any]) -> None:
    words = described["dags"]["nightly_performance"]["tasks"]["publish"]["arguments"]
    usage = subprocess.run(
        [sys.executable, str(PROJECT_ROOT / "jobs" / "publish" / "job.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200"},
    ).stdout
    options = [option for option in ("--date", "--run-id", "--from", "--tenant", "--vendor") if option in usage]
    assert [[option for option in options if f"{option}=" in word] for word in words] == [
        [option] for option in ("--date", "--run-id", "--from", "--tenant", "--vendor")
    ]


def test_the_form_asks_for_dates_tenant_and_vendor_and_may_be_left_empty(described: dict[str, Any]) -> None:
    assert described["dags"]["nightly_performance"]["params"] == dict.fromkeys(["date", "from", "tenant", "vendor"])


@pytest.mark.parametrize(
    ("form", "partition", "moment", "expected"),
    [
        pytest.param("2026-03-29", "2026-03-30", "2026-04-01T12:00", "2026-03-29", id="form, any calendar date"),
        pytest.param(None, "2026-03-30", "2026-04-01T12:00", "2026-03-30", id="partition of schedule and backfill"),
        pytest.param(None, None, "2026-04-01T12:00", "2026-03-31", id="by hand on a Wednesday: Tuesday"),
        pytest.param(None, None, "2026-03-30T12:00", "2026-03-27", id="by hand on a Monday: Friday"),
        pytest.param(None, None, "2026-03-29T12:00", "2026-03-27", id="on a Sunday: Friday"),
        pytest.param(None, None, "2026-04-01T03:59", "2026-03-30", id="still Tuesday in New York: Monday"),
        pytest.param(None, None, "2026-04-01T04:00", "2026-03-31", id="midnight in New York: Tuesday has ended"),
        pytest.param(None, None, "2026-01-14T04:59", "2026-01-12", id="winter time"),
    ],
)
def test_business_date(night: ModuleType, form: str, partition: str, moment: str, expected: str) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    asked = SimpleNamespace(partition_key=partition, logical_date=None, run_after=at)
    assert night.business_date(asked, {"date": form}) == expected
    dated = SimpleNamespace(partition_key=partition, logical_date=at, run_after=datetime(2030, 1, 1, tzinfo=UTC))
    assert night.business_date(dated, {"date": form}) == expected


def test_a_business_date_that_is_none_is_refused(night: ModuleType) -> None:
    with pytest.raises(ValueError, match="day is out of range"):
        night.business_date(SimpleNamespace(partition_key=None), {"date": "2026-02-30"})


def test_the_schedule_takes_the_weekday_that_has_just_ended(night: ModuleType) -> None:
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import TimeRestriction

    timetable = coerce_to_core_timetable(night.dag.timetable)
    taken, last = [], None
    for _ in range(4):
        last = timetable.next_dagrun_info_v2(
            last_dagrun_info=last,
            restriction=TimeRestriction(earliest=datetime(2026, 3, 5, 12, tzinfo=UTC), latest=None, catchup=True),
        )
        assert last
        asked = SimpleNamespace(partition_key=None, logical_date=None, run_after=last.run_after)
        assert night.business_date(asked, {}) == last.partition_key, "a run by hand would take another day"
        taken.append((f"{last.run_after.in_timezone(night.ZONE):%a %Y-%m-%d %H:%M}", last.partition_key))
    assert taken == [
        ("Fri 2026-03-06 00:00", "2026-03-05"),
        ("Mon 2026-03-09 00:00", "2026-03-06"),  # over the change to summer time
        ("Tue 2026-03-10 00:00", "2026-03-09"),
        ("Wed 2026-03-11 00:00", "2026-03-10"),
    ]


def listing(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


async def events(landing: Path, seconds: float, *, then: Any = None, store: Any = None) -> list[dict[str, Any]]:
    from jobs.detect.watcher import LandingWatcher

    watcher = LandingWatcher(str(landing), settle_seconds=0.05)
    watcher.asset_state_store = store
    found: list[dict[str, Any]] = []

    async def watch() -> None:
        async for event in watcher.run():
            found.append(event.payload)
            if then:
                then(len(found))

    task = asyncio.create_task(watch())
    await asyncio.sleep(seconds)
    task.cancel()
    return found


@pytest.fixture
def landing(airflow_home: Path, tmp_path: Path) -> Path:
    """Landing with one complete file, one that is still being written, a marker and a hidden file."""
    folder = tmp_path / "landing" / "acme"
    folder.mkdir(parents=True)
    for name, text in {"a.csv": "a\n", "b.csv.part": "b", "a.csv.done": "", ".c.csv": "c", "empty.csv": ""}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder.parent


def test_the_look_out_says_once_that_a_batch_is_complete_and_touches_no_file(landing: Path) -> None:
    before = listing(landing)
    assert asyncio.run(events(landing, 1.0)) == [{"landing": str(landing), "complete_files": 1}]
    assert listing(landing) == before


def test_the_look_out_speaks_again_when_a_file_comes_or_changes(landing: Path) -> None:
    def deliver(times: int) -> None:
        if times == 1:
            (landing / "acme" / "d.csv").write_text("d\n", encoding="utf-8")
        elif times == 2:
            (landing / "acme" / "a.csv").write_text("a corrected\n", encoding="utf-8")

    assert [event["complete_files"] for event in asyncio.run(events(landing, 2.5, then=deliver))] == [1, 2, 2]


def test_the_look_out_waits_while_a_file_grows(landing: Path) -> None:
    growing = landing / "acme" / "growing.csv"

    async def grow() -> list[dict[str, Any]]:
        async def write() -> None:
            for _ in range(40):
                with growing.open("a", encoding="utf-8") as file:
                    file.write("more\n")
                await asyncio.sleep(0.02)

        writing = asyncio.create_task(write())
        found = await events(landing, 0.6)
        await writing
        return found

    assert asyncio.run(grow()) == []


def test_a_restarted_look_out_does_not_repeat_itself(landing: Path) -> None:
    class Store(dict[str, str]):
        async def aget(self, key: str) -> str | None:
            return self.get(key)

        async def aset(self, key: str, value: str) -> None:
            self[key] = value

    store = Store()
    assert len(asyncio.run(events(landing, 1.0, store=store))) == 1
    assert asyncio.run(events(landing, 1.0, store=store)) == []


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted, with its path, in the server's list `got`."""

    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, json.loads(body)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


class Mailbox(StreamRequestHandler):
    """As much SMTP as takes one mail; the mails are in the server's list `got`."""

    server: Any

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while word := self.rfile.readline()[:4].strip().upper():
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.got.append(message_from_bytes(b"".join(lines), policy=policy.default))
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 well\r\n")


@contextmanager
def serving(server: Any, port: int = 0, handler: Any = None) -> Iterator[Any]:
    with server(("127.0.0.1", port), handler) as service:
        service.got = []
        threading.Thread(target=service.serve_forever, daemon=True).start()
        try:
            yield service
        finally:
            service.shutdown()


def connect_desk(patch: pytest.MonkeyPatch, port: int) -> None:
    where = {"conn_type": "http", "host": "127.0.0.1", "port": port, "schema": "http"}
    patch.setenv("AIRFLOW_CONN_DESK", json.dumps({**where, "password": "services/T0/secret"}))


def test_a_webhook_gets_the_message_at_the_address_of_its_connection(
    night: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(HTTPServer, handler=Hook) as hook:
        connect_desk(monkeypatch, hook.server_port)
        night.WebhookNotifier("desk", "dietz, night of 2026-03-31: all well")({})
    assert hook.got == [("/services/T0/secret", {"text": "dietz, night of 2026-03-31: all well"})]


def test_while_mail_is_down_the_webhook_is_told_and_the_mail_is_sent_by_the_retry(
    night: ModuleType, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "local.yaml").write_text("alerts: {email_to: [desk@example.com], webhook: desk}\n", encoding="utf-8")
    monkeypatch.setenv("DIETZ_HOME", str(tmp_path))
    monkeypatch.setenv("DIETZ_CONF", str(tmp_path / "local.yaml"))
    monkeypatch.setenv("DIETZ_DATABASE_URL", database_url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    plain = {"disable_ssl": True, "disable_tls": True, "from_email": "dietz@example.com", "retry_limit": 1}
    smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": plain}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(smtp))
    asked = SimpleNamespace(partition_key="2026-03-31", logical_date=None, run_after=None)
    said = "dietz, night of 2026-03-31: nothing is published; nothing new"

    with serving(HTTPServer, handler=Hook) as hook:
        connect_desk(monkeypatch, hook.server_port)
        with pytest.raises(ExceptionGroup, match="a message to operators was not sent") as error:
            night.tell({"dag_run": asked, "params": {}})
        assert [type(one) for one in error.value.exceptions] == [ConnectionRefusedError]
        assert hook.got == [("/services/T0/secret", {"text": said + "\n"})]
        with serving(ThreadingTCPServer, port, Mailbox) as mailbox:
            night.tell({"dag_run": asked, "params": {}})
            night.tell({"dag_run": asked, "params": {}})
        [mail] = mailbox.got
        assert (mail["To"], mail["From"], mail["Subject"]) == ("desk@example.com", "dietz@example.com", said)
        assert said in mail.get_body().get_content()
        assert len(hook.got) == 1


def test_a_task_that_failed_for_good_is_told_though_its_processes_wrote_nothing_down(
    night: ModuleType, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIETZ_HOME", str(tmp_path))
    monkeypatch.setenv("DIETZ_DATABASE_URL", database_url)
    asked = SimpleNamespace(partition_key="2026-04-02", logical_date=None, run_after=None)
    task = SimpleNamespace(dag_id="nightly_performance", task_id="calculate", run_id="scheduled__1", try_number=3)
    night.note_failure({"dag_run": asked, "params": {}, "ti": task, "exception": RuntimeError("error code 137")})
    assert (tmp_path / "alerts" / "2026-04-02.txt").read_text(encoding="utf-8") == (
        "dietz, night of 2026-04-02: nothing is published; needs you now\n  step failed: calculate, run scheduled__1\n"
    )


def test_a_message_that_was_not_sent_fails_the_task_that_sends_it(night: ModuleType) -> None:
    """Airflow swallows the error of a callback; what runs with the task is tried again with it."""
    publish = night.dag.get_task("publish")
    assert publish._post_execute_hook is night.tell
    assert not publish.on_success_callback
