"""What of a mysqldump reaches a scratch server."""

import pytest

from scanner.drills.privileged import LONGEST, without_privileged

ROWS = b"INSERT INTO `t` VALUES\n(1,'DEFINER=`a`@`b` /*!50013 DEFINER=`a`@`b` */'),\n(2,'x');\n"
LONG = b"INSERT INTO `t` VALUES (" + b"'CREATE DEFINER=`a`@`b` '," * LONGEST + b"1);\n"


def fed(dump: bytes, size: int = 1000) -> bytes:
    pieces = (dump[start : start + size] for start in range(0, len(dump), size))
    return b"".join(without_privileged(pieces))


@pytest.mark.parametrize("size", [1, 7, 1000, 2**22])
@pytest.mark.parametrize(
    "dump",
    [
        b"",
        b"\n",
        b"no line break",
        ROWS + ROWS,
        b"/*!40101 SET NAMES utf8mb4 */;\n" + ROWS + b"CREATE TABLE `t` (\n  `a` int\n);\n",
        b"SET @saved_cs_client = @@character_set_client;\nSET NAMES utf8;\n",
        b"-- CHANGE MASTER TO x;\n",
    ],
)
def test_all_else_comes_through_as_it_is(dump: bytes, size: int) -> None:
    assert fed(dump, size) == dump


@pytest.mark.parametrize("size", [1000, LONGEST, LONGEST + 1, 2**22])
def test_long_rows_come_through_as_they_are(size: int) -> None:
    definer = b"CREATE DEFINER=`a`@`b` PROCEDURE `p`()\n"
    assert fed(LONG + definer + LONG, size) == LONG + b"CREATE  PROCEDURE `p`()\n" + LONG


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("CREATE DEFINER=`root`@`localhost` PROCEDURE `p`()\n", "CREATE  PROCEDURE `p`()\n"),
        (
            '/*!50013 DEFINER=`o``d"d`@`%` SQL SECURITY DEFINER */\n',
            "/*!50013  SQL SECURITY DEFINER */\n",
        ),
        (
            "/*!50003 CREATE*/ /*!50017 DEFINER=`a b`@`c`*/ /*!50003 TRIGGER x */;;\n",
            "/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER x */;;\n",
        ),
        ("/*!50106 CREATE*/ /*!50117 DEFINER=`a`@`b`*/ /*!50106 EVENT e */ ;;\n", None),
        ("CREATE DEFINER=CURRENT_USER FUNCTION f() RETURNS int\n", None),
        ("CREATE DEFINER='a'@'%' FUNCTION f() RETURNS int\n", None),
        ("/*M!999999\\- enable the sandbox mode */ \n", ""),
        ("/*!999999\\- enable the sandbox mode */ \n", ""),
        ("SET @@SESSION.SQL_LOG_BIN= 0;\n", ""),
        ("SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN;\n", ""),
        ("SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'a:1-5,\nb:1-5,\nc:1';\n", ""),
        ("/*!50616 SET @@GLOBAL.gtid_purged='a:1'*/;\n", ""),
        ("CHANGE MASTER TO MASTER_LOG_FILE='x', MASTER_LOG_POS=1;\n", ""),
        ("CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='x';\n", ""),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_only_an_administrator_may_do_is_left_out(
    line: str, left: str | None, size: int
) -> None:
    given = fed(ROWS + line.encode() + ROWS, size)
    assert given.startswith(ROWS)
    assert given.endswith(ROWS)
    between = given.removeprefix(ROWS).removesuffix(ROWS).decode()
    assert "DEFINER=" not in between
    assert left is None or between == left


def test_a_statement_that_breaks_off_is_left_out_to_the_end() -> None:
    assert fed(ROWS + b"SET @@GLOBAL.GTID_PURGED='a:1,\nb:1") == ROWS
