"""The night: one task per step, each a spark-submit of `jobs/<step>/job.py`."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk import DAG, BaseNotifier, Connection, CronPartitionTimetable, Param

from jobs.platform.settings import PROJECT_ROOT, Settings
from jobs.platform.spark_conf import spark_conf

STEPS = ["detect", "ingest", "normalise", "check", "calculate", "reconcile", "publish"]
ZONE = "America/New_York"

DOC = """
### The night of a business day

At midnight of New York the business day that has just ended is taken through the seven steps: complete files in
landing are recognised, loaded, checked, calculated, reconciled and published. Files that land later start the same
DAG again, through `performance_on_upload`.

* **By hand**: *Trigger*, and fill in the form; an empty date means the last business day that has ended.
* **Backfill**: `airflow backfill create --dag-id nightly_performance --from-date A --to-date B --max-active-runs 1`;
  the dates are business dates. `--dry-run` first; `--reprocess-behavior completed` takes dates again that were done.
* **A failed task**: mend the cause, then *Clear* it. It goes on with the same run; a step that runs twice ends in the
  same tables.

Owner: performance-operations. Runbook: `docs/operate.md`.
"""

FORM = {
    "date": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Business date",
        description="Every row dated up to this day is published. Empty: the last business day that has ended.",
    ),
    "from": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Recalculate from",
        description="A restatement: rows from this day on are calculated anew. Empty: what is due.",
    ),
    "tenant": Param(
        None, type=["null", "string"], title="Tenant", description="A folder of landing. Empty: every tenant."
    ),
    "vendor": Param(
        None, type=["null", "string"], title="Vendor", description="Only this vendor's files. Empty: every vendor."
    ),
}


def business_date(dag_run: Any, params: dict[str, Any]) -> str:
    """The date that every step gets, as YYYY-MM-DD: the form's, else the partition's, else that of the moment.

    The moment is the logical date, or when the run was asked for. Its business day is the one that a scheduled run at
    that moment would take: the last weekday that had ended in ZONE. Raises ValueError for a date that is none.
    """
    given = params.get("date") or dag_run.partition_key
    if given:
        return date.fromisoformat(given).isoformat()
    moment: datetime = dag_run.logical_date or dag_run.run_after
    day = moment.astimezone(ZoneInfo(ZONE)).date() - timedelta(days=1)
    while day.weekday() >= 5:
        day -= timedelta(days=1)
    return day.isoformat()


# What follows job.py. The run has the DAG run's name, so that a retry goes on with it. What the form leaves empty is an
# empty word here, which job.py passes over.
ARGUMENTS = [
    "--date={{ business_date(dag_run, params) }}",
    "--run-id={{ dag_run.run_id }}",
    *(f"{{{{ '--{name}=' ~ params['{name}'] if params['{name}'] }}}}" for name in ("from", "tenant", "vendor")),
]


def note_failure(context: Any) -> None:
    """Put a task's final failure into the workspace's log, where the run's own lines are, and tell it.

    The ledger may know nothing of it: a process that is killed, or never begins, writes nothing down.
    """
    from jobs.platform.logs import configure, get_log
    from jobs.report.alert import GivenUp

    configure(Settings())
    ti = context["ti"]
    get_log().error(
        "task failed for good",
        dag_id=ti.dag_id,
        step=ti.task_id,
        run_id=ti.run_id,
        tries=ti.try_number,
        error=str(context.get("exception")),
    )
    _tell(context, GivenUp(ti.run_id, ti.task_id, str(context.get("exception") or "ended without a word")))


class WebhookNotifier(BaseNotifier):
    """Posts {"text": message} to the URL of a connection, as chat services take it."""

    def __init__(self, conn_id: str, text: str) -> None:
        super().__init__()
        self.conn_id, self.text = conn_id, text

    def notify(self, context: Any) -> None:
        # The path of the URL is the secret: it stands in the connection's password.
        connection = Connection.get(self.conn_id)
        address = f"{connection.schema or 'https'}://{connection.host}"
        address += f":{connection.port}" if connection.port else ""
        address += f"/{(connection.password or '').lstrip('/')}"
        httpx.post(address, json={"text": self.text}, timeout=30).raise_for_status()


def tell(context: Any, result: Any = None) -> None:
    """Write the night's message, and send where conf/ says what has not been sent there yet, also of runs by hand.

    A channel that fails does not keep the other: it raises when both were tried, and the next call sends again.
    """
    _tell(context, None)


def _tell(context: Any, given_up: Any) -> None:
    from jobs.report.alert import send_unsent, write_alert

    settings = Settings()
    write_alert(settings, date.fromisoformat(business_date(context["dag_run"], context["params"])), given_up)
    alerts = settings.conf.alerts
    channels: dict[str, Callable[[str], None]] = {}
    if alerts.email_to:
        channels["email"] = lambda text: SmtpNotifier(
            to=alerts.email_to, subject=text.splitlines()[0], html_content=f"<pre>{html.escape(text)}</pre>"
        )(context)
    if webhook := alerts.webhook:
        channels["webhook"] = lambda text: WebhookNotifier(webhook, text)(context)
    send_unsent(settings, channels)


with DAG(
    "nightly_performance",
    description="Vendor files in, reconciled time-weighted returns out: the business day that has just ended.",
    doc_md=DOC,
    # Midnight, since `airflow backfill` reads --to-date as a midnight and would leave out a later tick of that day.
    # The run at the midnight that begins a weekday takes the weekday before it.
    schedule=CronPartitionTimetable("0 0 * * 1-5", timezone=ZONE, run_offset=-1, key_format="%Y-%m-%d"),
    # No start date: with one, Airflow takes the last day at once when somebody lets the DAG loose.
    catchup=False,
    max_active_runs=1,
    params=FORM,
    user_defined_macros={"business_date": business_date},
    tags=["performance", "impact/tier_1"],
    default_args={
        "owner": "performance-operations",
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=15),
        "execution_timeout": timedelta(hours=3),
        "on_failure_callback": note_failure,
    },
) as dag:
    tasks = [
        SparkSubmitOperator(
            task_id=step,
            conn_id="spark_default",  # master and deploy mode are the connection's
            application=str(PROJECT_ROOT / "jobs" / step / "job.py"),
            application_args=ARGUMENTS,
            conf=spark_conf(Settings()),
            name="dietz {{ task.task_id }} {{ run_id }}",
            # Later steps first: where several runs wait for a place, the one under way is brought to its end.
            weight_rule="upstream",
            # No callback, whose error Airflow swallows: what was not sent is tried again with the task.
            post_execute=tell if step == STEPS[-1] else None,
            doc_md=f"`jobs/{step}`: see its chapter in docs/architecture.md.",
        )
        for step in STEPS
    ]
    for before, after in pairwise(tasks):
        before >> after
