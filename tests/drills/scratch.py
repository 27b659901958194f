"""Scratch servers for tests: their roles may do what docs/restore-drills.md gives them.

They own their marked database besides, which tests spoil.
"""

import random
import string
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict


@contextmanager
def scratch_postgres(
    server: str, *attributes: str, prefix: str = "restore_drill_"
) -> Iterator[str]:
    """Make a role and an empty database for drills on a server; give the URL, and drop both."""
    # Letters only: a name that ends like that of a drill's own database is refused.
    name = prefix + "".join(random.choices(string.ascii_lowercase, k=8))
    with psycopg.connect(server, autocommit=True) as admin:
        options = " ".join(("LOGIN CREATEDB", *attributes))
        admin.execute(f"CREATE ROLE {name} {options} PASSWORD 'päss w@rd/'".encode())
        admin.execute(f"CREATE DATABASE {name} OWNER {name}".encode())
    where = conninfo_to_dict(server)
    password = "p%C3%A4ss%20w%40rd%2F"
    try:
        yield f"postgresql://{name}:{password}@{where['host']}:{where['port']}/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            for database in databases_of(server, name):
                admin.execute(
                    sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database))
                )
            admin.execute(f"DROP OWNED BY {name}".encode())
            admin.execute(f"DROP ROLE {name}".encode())


def name_in(url: str) -> str:
    """Give the name of the database, and of the role, in a scratch database's URL."""
    return url.rpartition("/")[2]


def databases_of(server: str, role: str) -> list[str]:
    """List the databases that a role owns."""
    query = "SELECT datname FROM pg_database WHERE datdba = %s::regrole ORDER BY 1"
    with psycopg.connect(server) as admin:
        return [row[0] for row in admin.execute(query, (role,))]


def run_as(url: str, *statements: str) -> None:
    """Run statements in a database, as the role of its URL."""
    with psycopg.connect(url, autocommit=True) as session:
        for statement in statements:
            session.execute(statement.encode())
