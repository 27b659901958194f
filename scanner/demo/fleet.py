"""Who exists: the sites of four companies, with the databases that their agents back up."""

from dataclasses import replace
from typing import Final

from scanner.demo.dumps import Engine
from scanner.demo.habit import (
    Absent,
    Encoding,
    Habit,
    LetterCase,
    NameForm,
    OverallWords,
    Sizes,
    Times,
)
from scanner.demo.packing import Packing
from scanner.demo.site import Database, Rhythm, Site


def _packed(packing: Packing, engine: Engine, *databases: Database) -> tuple[Database, ...]:
    return tuple(replace(one, packing=packing, engine=engine) for one in databases)


_DOUALA, _PARIS = "Africa/Douala", "Europe/Paris"
_OFFICE, _CLOSED = Rhythm.OFFICE, Rhythm.CLOSED
_OLDEST = Habit(
    file_name=NameForm.PLACEHOLDER,
    overall=OverallWords("OK", "OK", "KO"),
    times=Times.LEFT_OUT,
    tells_end=False,
    only_compress=True,
    folder="database",
)

SITES: Final = (
    Site(
        "ACME_DOUALA_NEWBELL",
        _DOUALA,
        "0 2 * * *",
        Habit(),
        (
            Database("ACME_DOUALA_NEWBELL_2026", rows=450),
            Database("ACME_DOUALA_NEWBELL_2025", _CLOSED, rows=420),
            Database("ACME_DOUALA_NEWBELL_2024", _CLOSED, rows=360),
            Database("ACME_NEWBELL_STOCK_2026"),
            Database("ACME_NEWBELL_PAIE", _OFFICE, rows=180),
            Database("ACME_NEWBELL_CAISSE", runs="0 1,13 * * *", grace_minutes=45, min_size=3000),
            Database("ACME_NEWBELL_ARCHIVES", _CLOSED, runs="", expected="0 3 1 1 *"),
        ),
        recipients="dba@acme.example",
    ),
    Site(
        "ACME_YAOUNDE_ETOA_MEKI",
        _DOUALA,
        "30 1 * * *",
        Habit(
            file_name=NameForm.DASHED,
            overall=None,
            yes="True",
            no="False",
            checksum_key="sha256",
            sizes=Sizes.DIGITS,
            times=Times.LOCAL,
            absent=Absent.WORD,
            path="/home/agent/Backup/",
            staged="{name}",
        ),
        _packed(
            Packing.ZSTD,
            Engine.MARIADB,
            Database("ACME_YAOUNDE_ETOA_MEKI_2026", rows=400),
            Database("ACME_YAOUNDE_ETOA_MEKI_2025", _CLOSED),
            Database("ACME_YAOUNDE_AVARIES_2026", rows=220),
            Database("ACME_YAOUNDE_COMPTA", _OFFICE, rows=260),
            Database("ACME_YAOUNDE_GUICHET", runs="30 0,12 * * *"),
        ),
        recipients="dba@acme.example",
    ),
    Site(
        "ACME_BERTOUA_MOKOLO",
        _DOUALA,
        "0 23 * * *",
        Habit(file_case=LetterCase.LOWER, yes=1, no=0),
        (
            Database("ACME_BERTOUA_MOKOLO_2026", grace_minutes=90),
            Database("ACME_BERTOUA_MOKOLO_2025", _CLOSED, grace_minutes=90),
            Database("ACME_BERTOUA_SCIERIE", _OFFICE, grace_minutes=90),
        ),
    ),
    Site(
        "GLOBEX_BAFOUSSAM_ORANGE",
        _DOUALA,
        "0 22 * * *",
        Habit(
            file_name=NameForm.ISO,
            encoding=Encoding.UTF_16_LITTLE,
            agent_case=LetterCase.LOWER,
            overall=OverallWords("OK", "PARTIAL", "FAILED"),
            yes="OK",
            no="KO",
            times=Times.LOCAL,
            tells_end=False,
            path="C:\\Backup\\",
            staged="{name}.sql",
            folder="database",
        ),
        _packed(
            Packing.XZ,
            Engine.MYSQL,
            Database("GLOBEX_BAFOUSSAM_2026", rows=380),
            Database("GLOBEX_BAFOUSSAM_2025", _CLOSED, rows=340),
            Database("GLOBEX_BAFOUSSAM_TRANSPORT"),
            Database("INITECH_BAFOUSSAM_2026", company="INITECH"),
            Database("INITECH_BAFOUSSAM_STOCK", company="INITECH", rows=200),
            Database("GLOBEX_ESSAI_2026", rows=60, since=-5, is_expected=False),
        ),
    ),
    Site(
        "GLOBEX_LIMBE_DOWN_BEACH",
        _DOUALA,
        "0 0 * * *",
        Habit(times=Times.LOCAL_AS_UTC),
        (
            Database("GLOBEX_LIMBE_DOWN_BEACH_2026"),
            Database("GLOBEX_LIMBE_RAFFINERIE", rows=500, grace_minutes=120),
            Database("GLOBEX_LIMBE_PECHE", _OFFICE, rows=150),
            Database("GLOBEX_LIMBE_PORT_2025", _CLOSED, paused=-10),
        ),
    ),
    Site(
        "GLOBEX_PARIS_BERCY",
        _PARIS,
        "15 3 * * *",
        Habit(
            file_name=NameForm.ISO_UTC,
            file_case=LetterCase.LOWER,
            encoding=Encoding.UTF_8_WITH_MARK,
            yes=1,
            no=0,
            times=Times.OFFSET,
            absent=Absent.LEFT_OUT,
            path="/var/backups/postgresql/",
        ),
        _packed(
            Packing.ZSTD,
            Engine.POSTGRESQL,
            Database("globex_crm", rows=420, grace_minutes=30),
            Database("globex_factures", rows=600, grace_minutes=30),
            Database("globex_rh", _OFFICE, rows=160, grace_minutes=30),
            Database("globex_boutique", runs="45 7,19 * * *", grace_minutes=30),
            Database("globex_intranet_2025", _CLOSED, grace_minutes=30, stale_after=7),
        ),
        recipients="exploitation@globex.example, astreinte@globex.example",
    ),
    Site(
        "INITECH_LYON_PART_DIEU",
        _PARIS,
        "0 20 * * 1-5",
        Habit(
            file_name=NameForm.ISO,
            overall=OverallWords("SUCCESS", "PARTIAL", "FAILED"),
            yes="success",
            no="failed",
            sizes=Sizes.NULL,
            times=Times.OFFSET,
            absent=Absent.EMPTY,
        ),
        (
            *_packed(
                Packing.LZ4,
                Engine.POSTGRESQL,
                Database("initech_ventes", rows=480, grace_minutes=180),
                Database("initech_stock", rows=350, grace_minutes=180),
                Database("initech_paie", _OFFICE, runs="0 6 1,15 * *", rows=140),
            ),
            *_packed(
                Packing.BZIP2,
                Engine.POSTGRESQL,
                Database("initech_documents", runs="0 21 * * 0", rows=700, grace_minutes=360),
                Database("initech_bilan", _OFFICE, runs="30 4 1 * *", grace_minutes=1440),
                Database("initech_tests", runs="10 18 * * 3", expected="", rows=90),
            ),
        ),
    ),
    Site(
        "INITECH_GAROUA_YELWA",
        _DOUALA,
        "0 4 * * *",
        _OLDEST,
        (
            Database("INITECH_GAROUA_2026", rows=330),
            Database("INITECH_GAROUA_2025", _CLOSED),
            Database("INITECH_GAROUA_COTON", _OFFICE, rows=240),
            Database("INITECH_GAROUA_MAGASIN", rows=210),
        ),
    ),
    Site(
        "SIRPACAM_DOUALA_AKWA",
        _DOUALA,
        "30 12 * * *",
        Habit(
            file_case=LetterCase.UPPER,
            agent_case=LetterCase.LOWER,
            yes="true",
            no="false",
            checksum_key="",
            sizes=Sizes.LEFT_OUT,
            overall=OverallWords("SUCCESS", "PARTIAL", "FAILED"),
        ),
        (
            Database("SDMC_DOUALA_AKWA_2026", grace_minutes=30),
            Database("SDMC_DOUALA_AKWA_2023", _CLOSED, grace_minutes=30),
            Database("SIRPACAM_AKWA_POINTAGE", packing=Packing.PLAIN, rows=120),
            Database("SIRPACAM_AKWA_CAISSE", packing=Packing.ZSTD, extension=".gz"),
            Database("SIRPACAM_AKWA_PHARMACIE", packing=Packing.BZIP2, rows=250),
            Database("SIRPACAM_AKWA_SITE_WEB", runs="", expected="", since=-1),
        ),
        upload_minutes=38,
    ),
    Site(
        "sirpacam_kribi_port",
        "",
        "20 5 * * *",
        Habit(
            file_case=LetterCase.LOWER,
            encoding=Encoding.UTF_16_BIG,
            agent_case=LetterCase.UPPER,
            upper_hex=True,
        ),
        (
            Database("SIRPACAM_KRIBI_2026", rows=360, grace_minutes=60),
            Database("SIRPACAM_KRIBI_DOUANES", packing=Packing.ENCRYPTED, grace_minutes=60),
            Database("SIRPACAM_KRIBI_PAIE", _OFFICE, packing=Packing.ENCRYPTED, rows=150),
            Database("SIRPACAM_KRIBI_CONTENEURS", packing=Packing.XZ, grace_minutes=60),
        ),
    ),
)

AGENTS: Final = frozenset(site.agent for site in SITES)
