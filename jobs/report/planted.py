"""How well the rules find what was planted in a sample: per rule what was planted, what found, which innocents caught.

The list (`_expected/planted_anomalies.csv` of `dietz sample --faults`) says of each anomaly which rule must find which
account on which date. It is found where the marts have just that: the account held or flagged by that rule on that
date, a break of that type whose dates cover it, or the rule of a feed missed in that night's run.

An innocent is an account that the list does not name, or a feed's night for which it does not name the rule. What else
is found of an account that it names is a consequence of what was planted in it (a wrong end value makes a wrong return
beside the vendor's): it is counted as `elsewhere`, and neither for nor against a rule. So a number that nobody planted,
or an account that is beside a planted one, counts against the rule that caught it. Held are accounts that were held
back on some night, also if they were let through since.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from jobs.platform.errors import DietzError

COLUMNS = ["tenant", "account_id", "as_of_date", "kind", "place", "rule"]
PLACES = {"held_account": "account", "reconciliation_break": "break", "data_quality_result": "feed"}


@dataclass(frozen=True)
class Score:
    """One rule (or type of break): counts of planted findings, and of accounts."""

    place: str
    rule: str
    planted: int
    found: int
    held: int
    elsewhere: int
    innocents_flagged: int
    innocents_held: int

    @property
    def precision(self) -> float | None:
        """Of what it says of innocents and of what was planted for it, the share that was planted; None: nothing."""
        said = self.found + self.innocents_flagged
        return self.found / said if said else None

    @property
    def recall(self) -> float | None:
        return self.found / self.planted if self.planted else None


@dataclass(frozen=True)
class Proof:
    """All rules of which something was planted or found; missed: rows of the list that nothing has found."""

    scores: list[Score]
    innocents: int
    innocents_flagged: int
    innocents_held: int
    missed: list[dict[str, Any]]

    @property
    def planted(self) -> int:
        return sum(score.planted for score in self.scores)

    @property
    def in_words(self) -> str:
        share = 100 * self.innocents_held / self.innocents if self.innocents else 0.0
        return (
            f"{self.planted - len(self.missed):,} of {self.planted:,} planted were found by their rule; of"
            f" {self.innocents:,} innocent accounts {self.innocents_flagged:,} were flagged or in a break, and"
            f" {self.innocents_held:,} ({share:.3f} %) held"
        )


def prove(connection: psycopg.Connection, path: Path) -> Proof:
    """Compare a list of what was planted with the marts. Raises DietzError where the file is no such list."""
    planted = _listed(path)
    cursor = connection.cursor(row_factory=dict_row)
    scores = [Score(**row) for row in cursor.execute(SCORES, planted).fetchall()]
    counts = cursor.execute(INNOCENTS, planted).fetchone()
    assert counts is not None
    return Proof(scores, **counts, missed=cursor.execute(MISSED, planted).fetchall())


def _listed(path: Path) -> dict[str, list[str]]:
    if not path.exists():
        raise DietzError(f"{path}: there is no such file; dietz sample --faults writes _expected/planted_anomalies.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not set(COLUMNS) <= set(rows[0]):
        raise DietzError(f"{path}: expected rows with the titles {', '.join(COLUMNS)}")
    return {name: [row[name] for row in rows] for name in COLUMNS}


KNOWN = """
WITH planted AS (
    SELECT * FROM unnest(%(tenant)s::text[], %(account_id)s::text[], %(as_of_date)s::date[], %(kind)s::text[],
                         %(place)s::text[], %(rule)s::text[]) AS p (tenant_id, account_id, as_of_date, kind,
                                                                          place, rule)
), guilty AS (
    SELECT DISTINCT tenant_id, account_id FROM planted WHERE account_id <> ''
), said AS (
    SELECT tenant_id, account_id, 'held_account' AS place, rule, as_of_date AS first, as_of_date AS last,
           state <> 'flagged' AS is_held FROM marts.held_account
    UNION ALL
    SELECT tenant_id, account_id, 'reconciliation_break', type, as_of_date, greatest(as_of_date, through_date), false
    FROM marts.reconciliation_break WHERE state <> 'not_comparable'
    UNION ALL
    SELECT tenant_id, '', 'data_quality_result', rule, business_date, business_date, false
    FROM marts.data_quality_result WHERE NOT success
), judged AS (
    SELECT p.*, s.is_held FROM planted p LEFT JOIN LATERAL (
        SELECT bool_or(s.is_held) AS is_held FROM said s
        WHERE (s.tenant_id, s.account_id, s.place, s.rule) = (p.tenant_id, p.account_id, p.place, p.rule)
          AND p.as_of_date BETWEEN s.first AND s.last
    ) s ON true
), innocent AS (
    -- A feed, which has no account, is so by rule and night.
    SELECT s.* FROM said s WHERE NOT EXISTS (
        SELECT FROM planted p WHERE (p.tenant_id, p.account_id) = (s.tenant_id, s.account_id)
        AND (p.account_id <> '' OR p.rule = s.rule AND p.as_of_date BETWEEN s.first AND s.last))
)
"""

SCORES = f"""{KNOWN}
, of_planted AS (
    SELECT place, rule, count(*) AS planted, count(is_held) AS found, count(*) FILTER (WHERE is_held) AS held
    FROM judged GROUP BY place, rule
), of_innocents AS (
    SELECT place, rule, count(DISTINCT (tenant_id, account_id, CASE account_id WHEN '' THEN first END)) AS flagged,
           count(DISTINCT (tenant_id, account_id)) FILTER (WHERE is_held) AS held FROM innocent GROUP BY place, rule
), of_others AS (
    SELECT s.place, s.rule, count(DISTINCT (s.tenant_id, s.account_id)) AS accounts
    FROM said s JOIN guilty USING (tenant_id, account_id)
    LEFT JOIN planted p USING (tenant_id, account_id, place, rule) WHERE p.rule IS NULL GROUP BY s.place, s.rule
)
SELECT place, rule, coalesce(p.planted, 0) AS planted, coalesce(p.found, 0) AS found, coalesce(p.held, 0) AS held,
       coalesce(o.accounts, 0) AS elsewhere, coalesce(i.flagged, 0) AS innocents_flagged,
       coalesce(i.held, 0) AS innocents_held
FROM of_planted p FULL JOIN of_innocents i USING (place, rule) FULL JOIN of_others o USING (place, rule)
ORDER BY array_position(ARRAY['data_quality_result', 'held_account', 'reconciliation_break'], place), rule
"""  # noqa: S608

INNOCENTS = f"""{KNOWN}
SELECT (SELECT count(*) FROM (SELECT tenant_id, account_id FROM marts.account EXCEPT TABLE guilty) a) AS innocents,
       count(DISTINCT (tenant_id, account_id)) AS innocents_flagged,
       count(DISTINCT (tenant_id, account_id)) FILTER (WHERE is_held) AS innocents_held
FROM innocent WHERE account_id <> ''
"""  # noqa: S608

MISSED = f"""{KNOWN}
SELECT tenant_id, account_id, as_of_date, kind, place, rule FROM judged WHERE is_held IS NULL
ORDER BY place, rule, tenant_id, account_id
"""  # noqa: S608
