"""What the databases of the fleet hold: text as mysqldump, mariadb-dump and pg_dump write it.

A table of a database only grows, and each row follows from the database's name and its own number:
so the same database with the same number of rows is the same dump, on every machine.
"""

import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final

_FIRST_NAMES: Final = (
    "Aïssatou", "Amadou", "Bernadette", "Brigitte", "Célestin", "Clarisse", "Désiré", "Édith",
    "Ernest", "Fabrice", "Geneviève", "Hervé", "Ibrahim", "Josiane", "Léopold", "Marie-Noëlle",
    "Moussa", "Odile", "Rodrigue", "Solange", "Thérèse", "Urbain", "Véronique", "Yannick",
)  # fmt: skip
_FAMILY_NAMES: Final = (
    "Abena", "Atangana", "Bello", "Biya'a", "Djoumessi", "Ekotto", "Essomba", "Fotso", "Hamidou",
    "Kamga", "Kouam", "Lefèvre", "Mbarga", "Moukoko", "Mvondo", "Ngo Bassa", "Ngono", "Njoya",
    "Nkoulou", "Onana", "Tagne", "Tchoumi", "Vasseur", "Wandji",
)  # fmt: skip
_GOODS: Final = (
    "Ciment CPJ 35 - 50 kg", "Tôle bac 0,35 mm", "Fer à béton Ø 8", "Peinture à huile 20 L",
    "Huile de palme 5 L", "Riz parfumé 25 kg", "Sucre en morceaux 1 kg", "Savon 400 g",
    "Gasoil 200 L", "Batterie 12 V 75 Ah", "Pneu 195/65 R15", "Lampe à pétrole",
)  # fmt: skip
_CLIENTS: Final = 40
_ROWS_AN_INSERT: Final = 50
# The rows of the whole fleet: a month of dumps writes each of them about forty times.
_CACHED: Final = 2**16

Row = tuple[int | str, ...]


class Engine(StrEnum):
    """The program that dumps; the value is the first line of what it writes."""

    MYSQL = "-- MySQL dump 10.13  Distrib 8.0.41, for Linux (x86_64)"
    MARIADB = "/*M!999999\\- enable the sandbox mode */ "
    POSTGRESQL = "--"


def dump_of(database: str, engine: Engine, rows: int, finished: datetime | None) -> bytes:
    """Give the dump of a database that has `rows` invoices.

    With `finished` the dump ends with that time, as it does unless mysqldump is told
    --skip-dump-date; pg_dump never tells one.
    """
    clients = [_client(database, number) for number in range(1, _CLIENTS + 1)]
    invoices = [_invoice(database, number) for number in range(1, rows + 1)]
    if engine is Engine.POSTGRESQL:
        lines = _pg_dump(clients, invoices)
    else:
        lines = _mysqldump(database, engine, clients, invoices, finished)
    return ("\n".join(lines) + "\n").encode()


@lru_cache(_CACHED)
def _client(database: str, number: int) -> Row:
    draw = zlib.crc32(f"{database} client {number}".encode())
    name = f"{_FAMILY_NAMES[draw % 24]} {_FIRST_NAMES[draw // 24 % 24]}"
    return (number, name, f"6{draw // 576 % 10**8:08}")


@lru_cache(_CACHED)
def _invoice(database: str, number: int) -> Row:
    draw = zlib.crc32(f"{database} invoice {number}".encode())
    goods = _GOODS[draw % 12]
    quantity, price = draw // 12 % 40 + 1, draw // 480 % 900 * 25 + 500
    return (number, draw % _CLIENTS + 1, goods, quantity, quantity * price)


def _mysqldump(
    database: str,
    engine: Engine,
    clients: Sequence[Row],
    invoices: Sequence[Row],
    finished: datetime | None,
) -> Iterator[str]:
    yield engine.value
    yield "--"
    yield f"-- Host: localhost    Database: {database.lower()}"
    yield "-- ------------------------------------------------------"
    yield ""
    yield "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;"
    yield "/*!50503 SET NAMES utf8mb4 */;"
    yield "/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;"
    yield from _mysql_table("clients", "`nom` varchar(80), `telephone` char(9)", clients)
    columns = "`client` int, `article` varchar(80), `quantite` int, `montant` bigint"
    yield from _mysql_table("factures", columns, invoices)
    yield "/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;"
    yield "/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;"
    yield ""
    yield "-- Dump completed" + (f" on {finished:%Y-%m-%d %H:%M:%S}" if finished else "")


def _mysql_table(name: str, columns: str, rows: Sequence[Row]) -> Iterator[str]:
    yield f"\n--\n-- Table structure for table `{name}`\n--\n"
    yield f"DROP TABLE IF EXISTS `{name}`;"
    yield f"CREATE TABLE `{name}` (`id` int NOT NULL, {columns}, PRIMARY KEY (`id`)) ENGINE=InnoDB;"
    yield f"\n--\n-- Dumping data for table `{name}`\n--\n"
    yield f"LOCK TABLES `{name}` WRITE;"
    for start in range(0, len(rows), _ROWS_AN_INSERT):
        values = ",".join(map(_values, rows[start : start + _ROWS_AN_INSERT]))
        yield f"INSERT INTO `{name}` VALUES {values};"  # noqa: S608 - nobody runs it
    yield "UNLOCK TABLES;"


@lru_cache(_CACHED)
def _values(row: Row) -> str:
    return "({})".format(",".join(map(_literal, row)))


def _literal(value: int | str) -> str:
    return str(value) if isinstance(value, int) else "'{}'".format(value.replace("'", "\\'"))


def _pg_dump(clients: Sequence[Row], invoices: Sequence[Row]) -> Iterator[str]:
    yield "--\n-- PostgreSQL database dump\n--\n"
    yield "-- Dumped from database version 16.4 (Debian 16.4-1.pgdg120+1)"
    yield "-- Dumped by pg_dump version 16.4 (Debian 16.4-1.pgdg120+1)\n"
    yield "SET statement_timeout = 0;\nSET client_encoding = 'UTF8';\n"
    columns = "nom text, telephone character(9)"
    yield from _pg_table("clients", columns, "nom, telephone", clients)
    columns = "client integer, article text, quantite integer, montant bigint"
    yield from _pg_table("factures", columns, "client, article, quantite, montant", invoices)
    yield "--\n-- PostgreSQL database dump complete\n--\n"


def _pg_table(name: str, columns: str, names: str, rows: Sequence[Row]) -> Iterator[str]:
    yield f"CREATE TABLE public.{name} (id integer NOT NULL, {columns});\n"
    yield f"COPY public.{name} (id, {names}) FROM stdin;"
    yield from map(_line, rows)
    yield "\\.\n"


@lru_cache(_CACHED)
def _line(row: Row) -> str:
    return "\t".join(map(str, row))
