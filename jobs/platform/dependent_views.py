"""Views that stand on a table, out of the way while a column of it changes its type: Postgres refuses to otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

# In the order in which they can be made: a view after the views that it reads.
DEPENDENTS = """
WITH RECURSIVE dependent (oid, depth) AS (
    SELECT r.ev_class, 1
    FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = %s::regclass AND r.ev_class <> d.refobjid
    UNION
    SELECT r.ev_class, depth + 1
    FROM dependent JOIN pg_depend d ON d.refobjid = dependent.oid JOIN pg_rewrite r ON r.oid = d.objid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND r.ev_class <> d.refobjid
)
SELECT oid FROM dependent GROUP BY oid ORDER BY max(depth), oid
"""
# One statement a row: the view, what is said of it and of its columns, and who may read it.
STATEMENTS = """
SELECT format('CREATE VIEW %%s%%s AS %%s', oid::regclass,
              ' WITH (' || array_to_string(reloptions, ', ') || ')', pg_get_viewdef(oid))
FROM pg_class WHERE oid = %(view)s
UNION ALL
SELECT format('COMMENT ON VIEW %%s IS %%L', objoid::regclass, description)
FROM pg_description WHERE classoid = 'pg_class'::regclass AND objoid = %(view)s AND objsubid = 0
UNION ALL
SELECT format('COMMENT ON COLUMN %%s.%%I IS %%L', objoid::regclass, attname, description)
FROM pg_description JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid
WHERE classoid = 'pg_class'::regclass AND objoid = %(view)s AND objsubid > 0
UNION ALL
SELECT format('GRANT %%s ON %%s TO %%s', privilege_type, oid::regclass,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
FROM pg_class, aclexplode(relacl) WHERE oid = %(view)s AND grantee <> relowner
"""


@contextmanager
def out_of_the_way(connection: psycopg.Connection, table: str) -> Iterator[None]:
    """Drop the views on `table` and make them anew afterwards, with their options, comments and grants."""
    views = [oid for (oid,) in connection.execute(DEPENDENTS, [table]).fetchall()]
    made_of = [connection.execute(STATEMENTS, {"view": oid}).fetchall() for oid in views]
    for oid in reversed(views):
        (name,) = connection.execute("SELECT %s::regclass::text", [oid]).fetchone() or ("",)
        connection.execute(f"DROP VIEW {name}".encode())
    yield
    for statements in made_of:
        for (statement,) in statements:
            connection.execute(statement.encode())
