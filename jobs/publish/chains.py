"""The chains of daily rows that are published: of accounts, in their own and the reporting currency, and of groups."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Chain:
    """Daily rows of one kind of owner: where they are published, come from, and the fence of their epochs."""

    table: str
    history: str
    source: str  # daily rows in gold
    epochs: str  # their epochs in gold
    fence: str  # the published epochs
    state: str  # each owner's last published row in gold
    key: list[str]
    date: str = "as_of_date"

    @property
    def owner(self) -> list[str]:
        """The columns that say whose row it is."""
        return [name for name in self.key if name != self.date]

    @property
    def of_accounts(self) -> bool:
        """Whether a row is an account's, which may be held."""
        return self.owner == ["tenant_id", "account_id"]

    @property
    def staged_epochs(self) -> str:
        return f"stage.{self.fence.split('.')[1]}"

    def same_owner(self, one: str, other: str) -> str:
        """SQL: rows of the aliases `one` and `other` have the same owner."""
        return " AND ".join(f"{one}.{name} = {other}.{name}" for name in self.owner)


ACCOUNTS = Chain(
    table="marts.account_performance_daily",
    history="history.account_performance_daily",
    source="account_performance_daily",
    epochs="account_epoch",
    fence="ops.account_epoch",
    state="account_state",
    key=["tenant_id", "account_id", "as_of_date"],
)
REPORTING = Chain(
    table="marts.account_performance_reporting",
    history="history.account_performance_reporting",
    source="account_performance_reporting",
    epochs="account_reporting_epoch",
    fence="ops.account_reporting_epoch",
    state="account_reporting_state",
    key=["tenant_id", "account_id", "as_of_date"],
)
GROUPS = Chain(
    table="marts.group_performance_daily",
    history="history.group_performance_daily",
    source="group_performance_daily",
    epochs="group_epoch",
    fence="ops.group_epoch",
    state="group_state",
    key=["tenant_id", "group_type", "group_id", "as_of_date"],
)
CHAINS = [ACCOUNTS, REPORTING, GROUPS]
