"""One message a night for operators: what matters, each cause once, nothing about clients in clear.

A cause (a feed that did not come, a file that was refused, a held account, an open break ...) is told when a night has
it for the first time, and again only if it was gone meanwhile. A night that is run again says something only where
something has come to it. What lasts (an open break) is one matter of all nights; what is of a night (a feed that did
not come) is remembered by night, so that a backfill neither forgets nor tells anew what other nights were told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg

from jobs.platform import database
from jobs.platform.ledger import give_up
from jobs.platform.settings import Settings
from jobs.report.read import IN_PLACE, OVERDUE, UNMENDED, asked_of_overdue

ONE_TELLER = 1886740994  # lock of the transaction that decides what is new
LINES = 40

# Each cause: its key (hashed where it names an account or a path), tenant_id, severity, kind, what it is about, and
# whether it is of the night.
CAUSES = f"""
WITH {UNMENDED}
SELECT 'step/' || run_id || '/' || step, NULL, 'bad', 'step failed', step || ', run ' || run_id, true FROM (
    SELECT DISTINCT ON (s.run_id, s.step) s.run_id, s.step, s.status, u.run_id IS NOT NULL AS is_over
    FROM ops.step_run s JOIN ops.run r USING (run_id) LEFT JOIN unmended u USING (run_id)
    WHERE u.run_id IS NOT NULL OR r.run_no = (SELECT max(run_no) FROM ops.run WHERE business_date = %(date)s)
    ORDER BY s.run_id, s.step, s.attempt DESC
) last WHERE status = 'failed' OR status = 'running' AND is_over
UNION ALL
SELECT 'file/' || md5(file_id || status), tenant_id, CASE status WHEN 'waiting' THEN 'warn' ELSE 'bad' END,
       'file ' || status, coalesce(feed, 'no feed'), false FROM ops.file f
WHERE status IN ('refused', 'withheld', 'unrecognised', 'waiting') AND {IN_PLACE}
UNION ALL
SELECT DISTINCT 'held/' || md5(tenant_id || account_id || rule), tenant_id, 'bad', 'account held', rule, false
FROM marts.held_account WHERE state = 'held'
UNION ALL
SELECT 'restatement/' || md5(restatement_id), tenant_id, 'bad', 'restatement waits for an approval',
       coalesce(materiality, 'no class'), false FROM marts.restatement WHERE state = 'waiting'
UNION ALL
SELECT DISTINCT concat_ws('/', 'rule', tenant_id, feed, table_name, rule, column_name), tenant_id, 'bad',
       'rule failed', feed || ', ' || rule || coalesce(' of ' || nullif(column_name, ''), ''), true
FROM marts.data_quality_result WHERE NOT success AND severity = 'fail'
  AND run_no IN (SELECT run_no FROM ops.run WHERE business_date = %(date)s)
UNION ALL
SELECT 'break/' || break_id, tenant_id, CASE severity WHEN 'hold' THEN 'bad' ELSE 'warn' END, 'open break', type, false
FROM marts.reconciliation_break WHERE state = 'open'
UNION ALL
SELECT DISTINCT concat_ws('/', 'quarantine', md5(file_id), failed_rules::jsonb -> 0 ->> 'rule'), tenant_id, 'warn',
       'file with rows in quarantine', feed || ', ' || coalesce(failed_rules::jsonb -> 0 ->> 'rule', 'no rule'),
       false
FROM marts.quarantined_row WHERE state = 'open'
"""  # noqa: S608
# What is of a night lasts where this night had it when it was told last, or else the one told before.
KNOWN = """
SELECT cause, told_on FROM ops.alert_cause
WHERE business_date IS NULL
OR business_date = (SELECT max(business_date) FROM ops.alert_message WHERE business_date <= %s)
"""
FORGET = """
DELETE FROM ops.alert_cause
WHERE (business_date IS NULL OR business_date = %(date)s) AND NOT cause = ANY (%(causes)s)
"""
REMEMBER = """
INSERT INTO ops.alert_cause AS known (cause, business_date, tenant_id, severity, told_on, seen_on)
SELECT cause, CASE WHEN of_night THEN %(date)s::date END, tenant_id, severity, told_on, %(date)s
FROM unnest(%(causes)s::text[], %(of_night)s::boolean[], %(tenants)s::text[], %(severities)s::text[],
            %(told_on)s::date[]) AS given (cause, of_night, tenant_id, severity, told_on)
ON CONFLICT (cause, business_date) DO UPDATE
SET (severity, seen_on) = ROW (excluded.severity, greatest(known.seen_on, excluded.seen_on))
"""
# What was said a week ago is no news.
UNSENT = """
SELECT business_date, message_no, message FROM ops.alert_message m
WHERE said_at > now() - interval '7 days' AND NOT EXISTS (
    SELECT FROM ops.alert_sent s
    WHERE s.business_date = m.business_date AND s.message_no = m.message_no AND s.channel = %s)
ORDER BY said_at, business_date, message_no
"""
SENT = "INSERT INTO ops.alert_sent (business_date, message_no, channel) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
UNREADABLE = """
SELECT tenant_id, string_agg(source, ', ' ORDER BY source) AS sources, reason FROM marts.night_status
WHERE business_date = %s AND NOT may_read GROUP BY tenant_id, reason ORDER BY tenant_id, sources
"""
PUBLISHED = """
SELECT count(*), coalesce(sum(published), 0) FROM (
    SELECT tenant_id, max(published) AS published FROM marts.night_status WHERE business_date = %s GROUP BY tenant_id
) tenants
"""


@dataclass(frozen=True)
class Cause:
    """One thing that lasts until somebody or something ends it."""

    key: str
    tenant_id: str | None
    severity: str
    kind: str
    about: str
    of_night: bool = False


@dataclass(frozen=True)
class GivenUp:
    """A step of a run that its scheduler tries no more, and why."""

    run_id: str
    step: str
    error: str


def write_alert(settings: Settings, business_date: date, given_up: GivenUp | None = None) -> str | None:
    """Decide what is new on a night, remember it, and write the message to DIETZ_HOME/alerts/<date>.txt.

    given_up: entered in the ledger as failed, and told, also where the ledger knows nothing of its run. Returns the
    message; None where the night has been told and nothing has come to it.
    """
    with database.connect(settings) as connection:
        message = decide(connection, business_date, _failure(connection, given_up) if given_up else [])
        said = connection.execute(
            "SELECT message FROM ops.alert_message WHERE business_date = %s ORDER BY message_no", [business_date]
        ).fetchall()
    _write(settings.folder("alerts") / f"{business_date}.txt", "\n".join(text for (text,) in said))
    return message


def send_unsent(settings: Settings, channels: Mapping[str, Callable[[str], None]]) -> None:
    """Send what was said in the last seven days and has not gone out through a channel (email, webhook), as one text.

    A channel that fails keeps no other; what it has not sent the next call sends. Raises ExceptionGroup with the errors
    of those that failed. Who is killed between sending and noting it sends twice: told twice is better than never.
    """
    failed = []
    with database.connect(settings, autocommit=True) as connection:
        for channel, send in channels.items():
            unsent = connection.execute(UNSENT, [channel]).fetchall()
            if not unsent:
                continue
            try:
                send("\n".join(text for _, _, text in unsent))
            except Exception as error:
                failed.append(error)
                continue
            with connection.cursor() as cursor:
                cursor.executemany(SENT, [(night, number, channel) for night, number, _ in unsent])
    if failed:
        raise ExceptionGroup("a message to operators was not sent", failed)


def _failure(connection: psycopg.Connection, given_up: GivenUp) -> list[Cause]:
    step, run_id = given_up.step, give_up(connection, given_up.run_id, given_up.step, given_up.error)
    if run_id is None:
        return []
    return [Cause(f"step/{run_id}/{step}", None, "bad", "step failed", f"{step}, run {run_id}", of_night=True)]


def decide(connection: psycopg.Connection, business_date: date, also: Sequence[Cause] = ()) -> str | None:
    """The message of a night in words, and its causes remembered, in one transaction; None where it would say nothing
    new. also: causes that the caller knows of."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_TELLER])
        messages = connection.execute(
            "SELECT count(*) FROM ops.alert_message WHERE business_date = %s", [business_date]
        ).fetchone()
        assert messages is not None
        told_on: dict[str, date] = dict(connection.execute(KNOWN, [business_date]).fetchall())
        causes = list({cause.key: cause for cause in [*_causes(connection, business_date, told_on), *also]}.values())
        keys = [cause.key for cause in causes]
        new = [cause for cause in causes if cause.key not in told_on]
        gone = len(told_on.keys() - set(keys))
        connection.execute(FORGET, {"date": business_date, "causes": keys})
        connection.execute(REMEMBER, {
            "date": business_date, "causes": keys, "of_night": [cause.of_night for cause in causes],
            "tenants": [cause.tenant_id for cause in causes], "severities": [cause.severity for cause in causes],
            "told_on": [told_on.get(key, business_date) for key in keys],
        })  # fmt: skip
        if messages[0] and not new:
            return None
        published = connection.execute(PUBLISHED, [business_date]).fetchone()
        assert published is not None
        unreadable = connection.execute(UNREADABLE, [business_date]).fetchall()
        message = in_words(business_date, (published[0], published[1]), new, causes, gone, unreadable=unreadable)
        connection.execute(
            "INSERT INTO ops.alert_message (business_date, message_no, message) VALUES (%s, %s, %s)",
            [business_date, messages[0] + 1, message],
        )
    return message


def _causes(connection: psycopg.Connection, business_date: date, told: Container[str]) -> list[Cause]:
    """What stands against a night. What was told to be missing has not ended where nobody has looked for it since."""
    asked = asked_of_overdue(business_date)
    found = [Cause(*row) for row in connection.execute(CAUSES, asked).fetchall()]
    for looked_for in (True, False):
        for tenant_id, _, feed, _, _ in connection.execute(OVERDUE, asked | {"looked_for": looked_for}).fetchall():
            missing = Cause(f"missing/{tenant_id}/{feed}", tenant_id, "bad", "did not come", feed, of_night=True)
            if looked_for or missing.key in told:
                found.append(missing)
    return list({cause.key: cause for cause in found}.values())


def in_words(
    business_date: date,
    published: tuple[int, int],
    new: list[Cause],
    causes: list[Cause],
    gone: int,
    *,
    unreadable: Sequence[tuple[str, str, str]] = (),
) -> str:
    """The message: the night in a line, which sources other jobs may not read and why, then what is new, the worst
    first, then what was told before. unreadable: tenant, sources and reason of each."""
    tenants, accounts = published
    head = f"{accounts} accounts of {tenants} tenants published" if tenants else "nothing is published"
    urgent = any(cause.severity == "bad" for cause in new)
    worst = "needs you now" if urgent else "with remarks" if new else "nothing new"
    lines = [f"dietz, night of {business_date}: {head}; {worst}"]
    lines += _cut([f"{tenant}: may not be read: {sources} ({reason})" for tenant, sources, reason in unreadable])
    lines += _cut(list(_lines(new)))
    before = len(causes) - len(new)
    if before:
        lines.append(f"  {before} matter{'' if before == 1 else 's'} told before and not ended yet")
    if gone:
        lines.append(f"  {gone} matter{'' if gone == 1 else 's'} ended")
    return "\n".join(lines) + "\n"


def _cut(lines: list[str]) -> Iterable[str]:
    yield from (f"  {line}" for line in lines[:LINES])
    if len(lines) > LINES:
        yield f"  and {len(lines) - LINES} more lines: see the report"


def _lines(causes: list[Cause]) -> Iterable[str]:
    counts: dict[tuple[str, str, str, str], int] = defaultdict(int)
    for cause in causes:
        counts[cause.severity, cause.tenant_id or "", cause.kind, cause.about] += 1
    for (_, tenant, kind, about), count in sorted(counts.items(), key=lambda one: (one[0][:3], -one[1], one[0][3])):
        times = f"{count} times " if count > 1 else ""
        yield f"{tenant + ': ' if tenant else ''}{times}{kind}: {about}"


def _write(path: Path, text: str) -> None:
    unfinished = path.with_suffix(".part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
