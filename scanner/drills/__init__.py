"""Restore drills: copies of the vault, restored for real into databases that are thrown away.

outcome     what came of one attempt, and how long it may take
content     a copy's dump, decompressed and checked while it is read
targets     which scratch databases may be used, told by their addresses alone
workplace   a folder of our own on the disk, which no killed drill leaves behind for long
client      a client program fed with a dump: no shell, no inherited settings, an end in time
postgres    PostgreSQL: psql (plain dumps, through plain_dump and psql_errors) and pg_restore
mysql       MySQL and MariaDB: their client program (through privileged)
sqlite      SQLite: a database file, or the statements of the shell's .dump
attempt     one copy -> one outcome
conductor   which copies, in which order, for how long, and what is recorded

Dumps are untrusted. What runs here runs as a role that may do nothing outside of its own scratch
databases, in programs that are told not to touch files or to start others.
"""
