"""The rule of `exclusion` in Postgres: advisory locks of the session.

They are gone the moment the process, or its host's connection, is. A claim's key is
one exclusive lock of 64 bits. Its place in a pipeline is a shared lock of two numbers,
(pipeline, party and whether it is an engine's), so that the rule can be asked of
pg_locks. Looking and taking is one step, because starts of one pipeline take turns.

Numbers are hashes. Two of 1,000 pipelines share one with a chance of 1 in 8,600; a
run then waits for one of the other pipeline, and nothing worse.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

    from flexcore_gen.events.exclusion import Claim

    Connection = psycopg.Connection[tuple[Any, ...]]

_SESSIONS = """
SELECT a.application_name FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_HAS_KEY = f"""{_SESSIONS}
  AND l.objsubid = 1 AND (l.classid::bigint << 32 | l.objid::bigint) = %(key)s
"""
_IN_THE_WAY = f"""{_SESSIONS}
  AND l.pid <> pg_backend_pid() AND (
    l.objsubid = 1 AND (l.classid::bigint << 32 | l.objid::bigint) = %(key)s
    OR l.objsubid = 2 AND l.classid::bigint = %(pipeline)s
      AND (l.objid::bigint & 1 = 1 OR %(is_engines)s)
      AND l.objid::bigint >> 1 <> %(party)s)
"""


def take(connection: Connection, claim: Claim) -> bool:
    """Take all locks of a claim, or none where another's excludes it."""
    with connection.transaction():
        if claim.pipeline is not None:
            turn = _signed(f"start\n{claim.pipeline}", 64)
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (turn,))
        if sessions_in_the_way(connection, claim):
            return False
        row = connection.execute(
            "SELECT pg_try_advisory_lock(%s)", (_signed(claim.key, 64),)
        ).fetchone()
        if not (row and row[0]):
            return False
        if claim.pipeline is not None:
            # Nobody ever asks for it alone.
            connection.execute("SELECT pg_advisory_lock_shared(%s, %s)", _place(claim))
    return True


def give_back(connection: Connection, claim: Claim) -> None:
    """Let go of the locks of a claim that `take` took."""
    connection.execute("SELECT pg_advisory_unlock(%s)", (_signed(claim.key, 64),))
    if claim.pipeline is not None:
        connection.execute("SELECT pg_advisory_unlock_shared(%s, %s)", _place(claim))


def sessions_in_the_way(connection: Connection, claim: Claim) -> list[str]:
    """Return the names of the sessions whose claims exclude this one."""
    values = {
        "key": _signed(claim.key, 64),
        # No oid is negative, so this is no pipeline's number.
        "pipeline": -1 if claim.pipeline is None else _hash(claim.pipeline, 32),
        "is_engines": claim.is_engines,
        "party": _hash(claim.party, 31),
    }
    rows = connection.execute(_IN_THE_WAY, values).fetchall()
    return [str(name or "") for (name,) in rows]


def sessions_with(connection: Connection, key: str) -> list[str]:
    """Return the names of the sessions (there is one at most) that have a key."""
    rows = connection.execute(_HAS_KEY, {"key": _signed(key, 64)}).fetchall()
    return [str(name or "") for (name,) in rows]


def _place(claim: Claim) -> tuple[int, int]:
    party = _hash(claim.party, 31) << 1 | claim.is_engines
    return _signed(str(claim.pipeline), 32), _as_signed(party, 32)


def _hash(text: str, bits: int) -> int:
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - bits)


def _signed(text: str, bits: int) -> int:
    """Return the number that stands for a text, as Postgres takes numbers."""
    return _as_signed(_hash(text, bits), bits)


def _as_signed(number: int, bits: int) -> int:
    return number - (number >> (bits - 1) << bits)
