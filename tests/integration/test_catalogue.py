"""The catalogue: the committed schema is what the migrations make, everything is commented, every tenant protected."""

from collections.abc import Iterator

import psycopg
import pytest

from jobs.platform import comments, migrations, schema_dump

# Schemas of the contract; pg_class kinds: r table, p partitioned table, v view, S sequence.
OURS = "n.nspname IN ('marts', 'history', 'ops', 'security', 'stage')"


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url) as opened:
        yield opened
        opened.rollback()


def test_the_committed_schema_is_what_the_migrations_make(database_url: str) -> None:
    committed = schema_dump.PATH.read_text(encoding="utf-8")
    assert committed == schema_dump.schema_of(database_url), "run: python -m jobs.platform.schema_dump"


def test_migrating_again_changes_nothing(database_url: str, connection: psycopg.Connection) -> None:
    assert migrations.migrate_url(database_url) == migrations.newest()
    assert comments.apply(connection) == 0


def test_every_table_and_column_has_a_comment(connection: psycopg.Connection) -> None:
    bare = connection.execute(
        f"""
        SELECT c.oid::regclass::text, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN LATERAL (
            SELECT attname, attnum FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
            UNION ALL SELECT NULL, 0) a ON true
        WHERE {OURS} AND c.relkind IN ('r', 'p', 'v') AND c.relname <> 'schema_version'
        AND col_description(c.oid, a.attnum) IS NULL
        """
    ).fetchall()
    assert bare == []


def test_every_table_of_tenants_that_analysts_reach_is_protected(connection: psycopg.Connection) -> None:
    """Also against its owner (FORCE), so that a policy is never bypassed by who made the table."""
    open_tables = connection.execute(
        f"""
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
        WHERE {OURS} AND c.relkind IN ('r', 'p')
        AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid))
        AND (n.nspname IN ('marts', 'history', 'security') OR has_table_privilege('dietz_analyst', c.oid, 'SELECT'))
        """
    ).fetchall()
    assert open_tables == []


def test_analysts_reach_neither_ops_nor_stage(connection: psycopg.Connection) -> None:
    reach = connection.execute(
        f"SELECT n.nspname FROM pg_namespace n WHERE {OURS} AND has_schema_privilege('dietz_analyst', n.oid, 'USAGE')"
        " ORDER BY 1"
    ).fetchall()
    assert reach == [("history",), ("marts",), ("security",)]


def test_the_loader_owns_everything(connection: psycopg.Connection) -> None:
    foreign = connection.execute(
        f"SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE {OURS} AND pg_get_userbyid(c.relowner) <> 'dietz_loader'"
    ).fetchall()
    assert foreign == []


CONTRACT = """tenant_id, account_id, as_of_date, currency, begin_market_value, contributions, distributions, net_flow,
cumulative_net_flow, fees, end_market_value, gain_loss, weighted_capital, days, method, twrr_daily, twrr_daily_gross,
twrr_mtd, twrr_qtd, twrr_ytd, twrr_itd, twrr_mtd_gross, twrr_qtd_gross, twrr_ytd_gross, twrr_itd_gross, track_no,
inception_date, status, quality_flags, epoch, run_id, published_at""".replace("\n", " ").split(", ")


CHAIN = ["begin_date", "chain_net", "chain_gross", "wiped_out_on", "wiped_out_gross_on"]
OF_GROUP = [
    "tenant_id",
    "group_type",
    "group_id",
    "as_of_date",
    "currency",
    "members",
    "carried_members",
    *CONTRACT[4:],
]


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("marts.account_performance_daily", [*CONTRACT, *CHAIN]),
        ("history.account_performance_daily", [*CONTRACT, "known_from", "known_to", *CHAIN]),
        ("marts.group_performance_daily", [*OF_GROUP, *CHAIN, "carried_value"]),
        ("history.group_performance_daily", [*OF_GROUP, *CHAIN, "known_from", "known_to", "carried_value"]),
    ],
)
def test_the_contract_s_columns_stand_in_its_order(
    connection: psycopg.Connection, table: str, columns: list[str]
) -> None:
    found = connection.execute(
        "SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0",
        [table],
    ).fetchone()
    assert found == (columns,)
