"""Carries wanted entries out: read the old ones, plan, write, and see it through.

A batch is done when every record of it was acknowledged, found to be in place,
or rejected. What a lost connection leaves unknown is read and planned again; a
race with another writer likewise, once.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from flext_ldap import dn as names
from flext_ldap import filters, results
from flext_ldap.errors import DirectoryError
from flext_ldap.old_entries import OldEntryReader
from flext_ldap.operations import Add, Delete
from flext_ldap.passwords import Scheme
from flext_ldap.pipeline import Job, Pipeline
from flext_ldap.ranges import RangeError
from flext_ldap.results import ConnectionLostError, LdapError
from flext_ldap.wanted_entries import RecordError
from flext_ldap.write_plan import WritePlanner

if TYPE_CHECKING:
    from collections.abc import Callable

    from flext_ldap.dry_run import DryRunFile
    from flext_ldap.old_entries import OldEntries
    from flext_ldap.read_plan import Search
    from flext_ldap.session import Session
    from flext_ldap.subschema import Subschema
    from flext_ldap.wanted_entries import WantedEntry
    from flext_ldap.write_rules import WriteRules

logger = logging.getLogger(__name__)

#: Another writer was faster: what we had read is old. Or a value names an entry that
#: was still to come in the batch: servers with referential integrity answer
#: noSuchObject (Active Directory) or constraintViolation (OpenLDAP's memberof).
_RACES = frozenset(
    {
        results.CONSTRAINT_VIOLATION,
        results.NO_SUCH_OBJECT,
        results.ENTRY_ALREADY_EXISTS,
        results.ATTRIBUTE_OR_VALUE_EXISTS,
        results.NO_SUCH_ATTRIBUTE,
    }
)


class EntryWriter:
    """Writes the entries of one stream.

    Args:
        stream: Its name.
        session: Where to; shared by the sinks of a target.
        rules: The target's settings.
        schema: The server's schema.
        dry_run: Takes the operations instead of the server.
        reject: Called with a wanted entry and a reason.
    """

    def __init__(
        self,
        stream: str,
        session: Session,
        rules: WriteRules,
        schema: Subschema,
        dry_run: DryRunFile | None,
        reject: Callable[[WantedEntry, str], None],
    ) -> None:
        self._stream = stream
        self._session = session
        self._rules = rules
        self._schema = schema
        self._dry_run = dry_run
        self._reject = reject
        self._match_attribute = rules.match_attribute(stream)
        if self._match_attribute:
            self._match_attribute = schema.canonical(self._match_attribute)
        self._planner = WritePlanner(stream, rules, session.server.kind, schema)
        self._reader = OldEntryReader(session, schema)
        self._parents_made: set[str] = set()
        self._deleted = 0
        self._entries_before: int | None = None
        self.counts: Counter[str] = Counter()

    # --------------------------------------------------------------- batches

    def write(self, batch: list[WantedEntry]) -> None:
        """Carry out a batch, no two of which speak of one entry.

        Raises:
            DirectoryError: The server cannot be reached or is not to be gone on
                with; what was acknowledged stays.
        """
        left = {id(one): one for one in batch}
        raced: set[int] = set()
        attempt = 0
        while left:
            try:
                again = self._attempt(list(left.values()), left, raced)
            except (ConnectionLostError, LdapError) as error:
                if isinstance(error, LdapError) and error.code not in results.TRANSIENT:
                    raise self._refused(error) from error
                self._pause_or_raise(attempt, error)
                attempt += 1
            else:
                if not again:
                    return
                if any(id(one) not in raced for one in again):
                    self._pause_or_raise(attempt, None)
                    attempt += 1

    def _pause_or_raise(self, attempt: int, error: Exception | None) -> None:
        if attempt >= self._session.settings.max_retries:
            said = str(error) if error else "the server stays busy"
            raise DirectoryError(
                f"writing failed {attempt + 1} times: {said}",
                where=f"{self._session.where}, stream {self._stream!r}",
                fix="see the server's log; then run again: what is written already "
                "will be found in place",
            ) from error
        logger.warning("%s; reading the entries and trying again", error or "busy")
        self._session.pause(attempt)

    def _attempt(
        self, batch: list[WantedEntry], left: dict[int, WantedEntry], raced: set[int]
    ) -> list[WantedEntry]:
        """Read, plan and write; return what has to be tried once more.

        `left` loses what is settled, so that an exception leaves the rest.
        """
        old = self._reader_read(batch)
        jobs = self._jobs(batch, old, left)
        again: list[WantedEntry] = []

        def done(job: Job) -> None:
            wanted = job.tag
            failure = job.failure
            if wanted is None:  # a parent
                if failure is not None and failure.code != (
                    results.ENTRY_ALREADY_EXISTS
                ):
                    self._parents_made.discard(names.normalise(job.operation.dn))
                return
            key = id(wanted)
            one = left[key]
            if failure is not None and failure.code in results.TRANSIENT:
                raced.discard(key)
                again.append(one)
                return
            if failure is not None and failure.code in _RACES and key not in raced:
                raced.add(key)
                again.append(one)
                return
            del left[key]
            if failure is not None:
                self._reject(one, self._reason(job, one))
            else:
                self.counts.update(operation.verb for operation in job.operations)

        if self._dry_run is not None:
            for job in jobs:
                for operation in job.operations:
                    self._dry_run.write(operation)
                done(job)
        else:
            Pipeline(self._session.connection, self._rules.window).run(jobs, done)
        return again

    def _reader_read(self, batch: list[WantedEntry]) -> OldEntries:
        try:
            return self._reader.read(batch, self._match_attribute)
        except RangeError as error:
            raise DirectoryError(
                f"an old entry cannot be read whole: {error}",
                where=f"{self._session.where}, stream {self._stream!r}",
                fix="run again; if it stays so, report it with the server's version",
            ) from error

    def _jobs(
        self,
        batch: list[WantedEntry],
        old: OldEntries,
        left: dict[int, WantedEntry],
    ) -> list[Job]:
        """Return the jobs in an order that builds top down and removes bottom up."""
        writes: list[tuple[int, Job]] = []
        deletes: list[tuple[int, Job]] = []
        parents: dict[str, Job] = {}
        adds = {
            names.normalise(one.dn): one
            for one in batch
            if one.dn and not one.is_deletion
        }
        for one in batch:
            try:
                self._check_match(one, old)
                if one.is_deletion and not self._rules.deletes_marked:
                    del left[id(one)]
                    continue
                self._check_passwords(one)
                operations = self._planner.operations(one, old.by_key.get(one.key))
                if operations and isinstance(operations[0], Add):
                    self._add_parents(one.dn, old, adds, parents)
            except RecordError as error:
                del left[id(one)]
                self._reject(one, str(error))
                continue
            if not operations:
                del left[id(one)]
                self.counts["unchanged"] += 1
                continue
            job = Job(operations, tag=one)
            depth = len(names.parse(operations[0].dn))
            place = deletes if isinstance(operations[0], Delete) else writes
            place.append((depth, job))
        self.guard(len(deletes), is_compare=False)
        writes.sort(key=lambda pair: pair[0])
        deletes.sort(key=lambda pair: -pair[0])
        ordered = [parents[key] for key in sorted(parents, key=_depth)]
        return [*ordered, *(job for _, job in writes), *(job for _, job in deletes)]

    def _check_match(self, one: WantedEntry, old: OldEntries) -> None:
        if one.key in old.ambiguous:
            raise RecordError(f"more than one entry has this {self._match_attribute}")

    def _check_passwords(self, one: WantedEntry) -> None:
        if not one.passwords or self._dry_run is not None:
            return
        settings = self._session.settings
        if not self._session.connection.is_private and not settings.insecure_plain_text:
            raise RecordError("a password may not travel without TLS")
        if self._rules.password_scheme is Scheme.SERVER and any(
            len(values) > 1 for values in one.passwords.values()
        ):
            raise RecordError("password_scheme server sets one password, not several")

    def _add_parents(
        self,
        entry_dn: str,
        old: OldEntries,
        adds: dict[str, WantedEntry],
        parents: dict[str, Job],
    ) -> None:
        """Add jobs for the missing parents that no record of the batch brings."""
        parent = names.parent(entry_dn)
        if parent is None or names.normalise(parent) not in old.missing_parents:
            return
        if self._session.server.is_naming_context(entry_dn):
            return  # the top of a tree has no parent on this server
        if not self._rules.creates_parents:
            if names.normalise(parent) in adds or any(
                names.is_under(parent, key) for key in adds
            ):
                return
            raise RecordError(
                f"its parent {parent!r} does not exist; set create_parents, or "
                "send the parent first"
            )
        while parent is not None:
            key = names.normalise(parent)
            known = key in adds or key in parents or key in self._parents_made
            if known or not names.is_under(parent, self._rules.base_dn):
                return
            if key not in old.missing_parents and (
                self._session.read(parent, ["1.1"]) is not None
            ):
                return
            parents[key] = Job([self._planner.parent(parent)])
            self._parents_made.add(key)
            if self._session.server.is_naming_context(parent):
                return
            parent = names.parent(parent)

    # ---------------------------------------------------------------- errors

    def _reason(self, job: Job, wanted: WantedEntry) -> str:
        failure = job.failure
        if failure is None:
            return ""
        said = results.describe(failure.code, failure.diagnostic)
        if failure.code == results.NOT_ALLOWED_ON_NON_LEAF:
            said += "; delete its children first"
        elif failure.code == results.NO_SUCH_OBJECT and failure.matched_dn:
            said += f"; what exists is {failure.matched_dn!r}"
        elif failure.referrals:
            said += f"; {' '.join(failure.referrals)}"
        for values in wanted.passwords.values():
            for value in values:
                said = said.replace(value.decode("utf-8", "replace"), "***")
        return f"{job.operation.verb} of {job.operation.dn!r} refused: {said}"

    def _refused(self, error: LdapError) -> DirectoryError:
        return DirectoryError(
            f"old entries cannot be read: {error}",
            where=f"{self._session.where}, stream {self._stream!r}",
            fix="check the rights of bind_dn, and that the server's limits allow "
            f"searches of {self._session.settings.page_size} entries",
        )

    # --------------------------------------------------------------- deletes

    def guard(self, more: int, *, is_compare: bool, total: int | None = None) -> None:
        """Refuse deletes beyond `max_delete_percent`, before the first of them.

        Args:
            more: Deletes about to be made.
            is_compare: They come from a full compare.
            total: Entries there are; counted once where it is not known.

        Raises:
            DirectoryError: The limit would be passed.
        """
        if not more:
            return
        limit = self._rules.delete_limit(is_compare=is_compare)
        if limit is not None:
            if total is None:
                total = self._count_before()
            if (self._deleted + more) * 100 > limit * total:
                raise DirectoryError(
                    f"{self._deleted + more} of {total} entries would be deleted, "
                    f"more than {limit:g} %",
                    where=f"stream {self._stream!r}, setting max_delete_percent",
                    fix="check the source; if it is right, raise max_delete_percent "
                    "for this run",
                )
        self._deleted += more

    def _count_before(self) -> int:
        """Count the entries the stream's classes own, once, before any delete."""
        if self._entries_before is None:
            classes = self._rules.classes(self._stream, self._session.server.kind)
            mine = (
                filters.all_of(filters.equality("objectClass", c) for c in classes)
                if classes
                else filters.parse("(objectClass=*)")
            )
            base = self._rules.base_dn
            found = self._session.search(base, "sub", mine, ["1.1"])
            self._entries_before = sum(1 for _ in found)
        return self._entries_before

    def delete_others(self, search: Search, seen: set[str]) -> None:
        """Delete the entries of a search that were not seen, deepest first.

        Raises:
            DirectoryError: Too many, or all of them.
        """
        try:
            there = [
                dn
                for dn, _ in self._session.search(
                    search.base, search.scope, search.wire_filter, ["1.1"]
                )
            ]
        except LdapError as error:
            raise self._refused(error) from error
        gone = [
            dn
            for dn in there
            if names.normalise(dn) not in seen
            and names.normalise(dn) != names.normalise(search.base)
        ]
        if gone and not seen and self._rules.max_delete_percent != 100:  # noqa: PLR2004 (percent)
            raise DirectoryError(
                f"the source brought no entry at all; {len(gone)} would be deleted",
                where=f"stream {self._stream!r}, setting delete_missing",
                fix="check the source; if it is right, set max_delete_percent: 100",
            )
        self.guard(len(gone), is_compare=True, total=len(there))
        gone.sort(key=lambda dn: -len(names.parse(dn)))
        jobs = [Job([Delete(dn)], tag=dn) for dn in gone]

        def done(job: Job) -> None:
            failure = job.failure
            if failure is None or failure.code == results.NO_SUCH_OBJECT:
                self.counts["delete"] += 1
                return
            said = results.describe(failure.code, failure.diagnostic)
            raise DirectoryError(
                f"delete refused: {said}",
                where=f"{job.operation.dn!r}",
                fix="delete its children, or narrow delete_missing",
            )

        if self._dry_run is not None:
            for job in jobs:
                self._dry_run.write(job.operation)
            return
        try:
            Pipeline(self._session.connection, self._rules.window).run(jobs, done)
        except ConnectionLostError as error:
            raise DirectoryError(
                f"the connection was lost while deleting: {error}",
                where=self._session.where,
                fix="run again",
            ) from error


def _depth(key: str) -> int:
    return len(names.parse(key))
