"""The tenant that every format describes: its files go in whole, say the same, and come out as the reference says."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from jobs.sample.faults.fault import FAULTED, UNKNOWN
from jobs.sample.trust import TRUST
from jobs.sample.write import FORMATS
from tests.faults.conftest import Night
from tests.golden.cases import assert_as_expected

pytestmark = pytest.mark.system

FLOW_TYPES = ["DEPOSIT", "WITHDRAWAL", "TRANSFER_IN", "TRANSFER_OUT", "JOURNAL"]
EURO_ACCOUNT = "HT-000007"  # not at the brokerage, whose layout knows dollars only


def test_every_format_is_recognised_and_every_record_goes_in(night: Night) -> None:
    planted = {fault["path"] for fault in night.faults.values() if fault["where"] != "restated"}
    good = [file for path, files in night.files.items() if path not in planted for file in files]
    assert {file.vendor for file in good} == set(FORMATS)
    assert {file.path: (file.status, file.message) for file in good if file.status != "accepted"} == {}
    assert {file.path: file.quarantined for file in good if file.quarantined} == {}
    for file in good:
        assert file.records == file.silver + file.skipped, file.path


def test_vendors_agree_on_the_value_of_every_account_and_day(night: Night) -> None:
    told: defaultdict[str, dict[tuple[str, date], Decimal]] = defaultdict(dict)
    for row in night.current("valuation").collect():
        told[row["vendor"]][row["account_id"], row["as_of_date"]] = row["market_value"]
    accounts = told["canonical"]
    assert len(accounts) == 52  # eight accounts on seven days, one of them closed on the third
    assert told["apx"] == told["flex"] == told["warehouse"] == accounts
    assert told["activity"].items() <= accounts.items()
    assert len(told["activity"]) == 15  # two quarters
    assert told["brokerage"] == {key: value for key, value in accounts.items() if key[0] != EURO_ACCOUNT}
    assert {account for account, _ in told["camt053"]} == {f"HT-00000{n}-CASH" for n in range(1, 9)}
    assert told["mt940"].items() <= told["camt053"].items()
    assert len(told["mt940"]) == 15  # two months, one account closed in the first


def test_holdings_and_cash_add_up_to_the_value_wherever_they_are_told(night: Night) -> None:
    held: defaultdict[str, defaultdict[tuple[str, date], Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in night.current("position").collect():
        held[row["vendor"]][row["account_id"], row["as_of_date"]] += row["market_value"]
    cash, values = {}, {}
    for row in night.current("valuation").where("vendor = 'canonical'").collect():
        key = row["account_id"], row["as_of_date"]
        values[key], cash[key] = row["market_value"], row["cash_value"]
    assert held["gcus"] == {key: value for key, value in values.items() if value}
    assert held["canonical"] == {key: value - cash[key] for key, value in values.items() if value != cash[key]}
    assert {key: values[key] for key in held["ofx"]} == held["ofx"]
    assert len(held["ofx"]) == 15


def test_vendors_agree_on_every_flow(night: Night) -> None:
    told: defaultdict[str, set[tuple[str, date, Decimal]]] = defaultdict(set)
    flows = night.current("transaction").where(F.col("type").isin(FLOW_TYPES) & (F.col("status") != "cancel"))
    for row in flows.collect():
        told[row["vendor"]].add((row["account_id"], row["performance_date"], row["amount"]))
    flows = told["canonical"]
    assert {account for account, _, _ in flows} >= {f"HT-00000{n}" for n in (1, 2, 3, 4, 6)}
    for vendor in ("activity", "apx", "flex", "hst", "ofx"):
        assert told[vendor] == flows, vendor
    assert told["brokerage"] == {flow for flow in flows if flow[0] != EURO_ACCOUNT}
    assert told["mt940"] == told["camt053"]


def test_a_cancelled_and_rebooked_deposit_counts_once_and_a_deleted_one_not_at_all(night: Night) -> None:
    rows = night.current("transaction").where("status = 'cancel'").orderBy("vendor").collect()
    assert [(row["vendor"], row["type"]) for row in rows] == [("apx", "DEPOSIT"), ("hst", "DEPOSIT")]
    versions = night.lake.read("transaction").where(F.col("transaction_id") == rows[1]["transaction_id"])
    amounts = [row["amount"] for row in versions.orderBy("arrival_no").collect()]
    assert amounts == [-rows[1]["amount"], rows[1]["amount"]]


def test_the_marts_are_as_the_reference_says(night: Night) -> None:
    path = night.sample / "_expected" / TRUST / "expected_account_performance_daily.csv"
    assert_as_expected(path, night.rows)


def test_the_vendors_own_returns_are_ours(night: Night) -> None:
    reported = night.current("reported_performance").where("vendor = 'adviser'").count()
    assert reported == 14  # two quarters, seven accounts at the end of each
    open_breaks = [one for one in night.breaks if one["state"] != "not_comparable" and one["account_id"] != FAULTED]
    assert [(one["type"], one["account_id"]) for one in open_breaks] == [("account_new", UNKNOWN)]
