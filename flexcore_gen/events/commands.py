"""`flexcore-gen runs` and `flexcore-gen events`: what happened, from the store."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flexcore_gen.events import locations
from flexcore_gen.events.run_state import STATUSES, RunState, fold
from flexcore_gen.events.store import (
    POSTGRES_SCHEMES,
    EmptyStoreError,
    EventStore,
    StoreError,
    open_store,
    without_password,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.events.run_event import StoredEvent

EXIT_FINDINGS = 1
EXIT_USAGE = 2

_store_option = click.option(
    "--store",
    "address",
    metavar="ADDRESS",
    help="Event store, e.g. sqlite:///.flexcore/events.db; default: the project's.",
)


class _CommandError(click.ClickException):
    """An error in three parts: what, where, how to fix it."""

    exit_code = EXIT_USAGE

    def __init__(self, what: str, where: str, fix: str) -> None:
        super().__init__(what)
        self.where = where
        self.fix = fix

    def show(self, file: object = None) -> None:
        """Print the three parts on stderr."""
        del file
        click.echo(f"flexcore-gen: error: {self.message}", err=True)
        click.echo(f"  where: {self.where}", err=True)
        click.echo(f"  fix:   {self.fix}", err=True)


class _Place:
    """The store that a command reads, and the folder beside it."""

    def __init__(self, address: str | None) -> None:
        root = locations.find_root(Path.cwd())
        if root is None and address is None:
            raise _CommandError(
                "no project here",
                f"{Path.cwd()} and the folders above it",
                "change into a folder with meltano.yml or ecosystem.yaml, "
                "or give --store",
            )
        self.root = root or Path.cwd()
        self.directory = locations.flexcore_directory(self.root)
        if address and "://" not in address:
            address = f"sqlite:///{Path(address).absolute()}"
        self.address = locations.store_address(self.root, address)
        self.is_given = address is not None

    def open(self) -> EventStore | None:
        """Return the store; None when nothing has ever run."""
        path = self.root / self.address.removeprefix("sqlite:///")
        if self.address.startswith("sqlite:///") and not path.exists():
            return None
        try:
            return open_store(self.address, self.root, create=False)
        except EmptyStoreError:
            return None
        except StoreError as error:
            raise self.away(error) from error

    def away(self, error: StoreError) -> _CommandError:
        """Return the error for a store that cannot be read."""
        return _CommandError(
            f"the event store cannot be read: {error}",
            without_password(self.address),
            "check its permissions and free disk space, or give another --store",
        )

    def mention_loose_ends(self) -> None:
        """Say on stderr when events wait to be added, or runs to be closed."""
        from flexcore_gen.events.journal import waiting  # noqa: PLC0415 - click's start
        from flexcore_gen.events.running import RunRegistry  # noqa: PLC0415

        with contextlib.suppress(OSError):
            for run in RunRegistry(self.directory).scan()[1]:
                click.echo(
                    f"flexcore-gen: run {run.run_id} is gone without a word; the next "
                    "run or `flexcore-gen events reconcile` closes it",
                    err=True,
                )
        count = len(waiting(self.directory))
        if count:
            click.echo(
                f"flexcore-gen: events of {count} run(s) wait in "
                f"{self.directory / 'spool'}; the next run or "
                "`flexcore-gen events reconcile` adds them",
                err=True,
            )


@click.command()
@click.argument("run_id", required=False)
@click.option("--pipeline", metavar="NAME", help="Only runs of this pipeline.")
@click.option("--status", type=click.Choice(STATUSES), help="Only runs that ended so.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many runs at most.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines: a list of runs.")
@_store_option
def runs(
    run_id: str | None,
    pipeline: str | None,
    status: str | None,
    limit: int,
    as_json: bool,
    address: str | None,
) -> None:
    """Show what ran, newest first.

    RUN_ID, a beginning of it, or `latest`, shows one run: its steps with rows per
    stream, models, files, times and errors.
    """
    place = _Place(address)
    place.mention_loose_ends()
    store = place.open()
    try:
        found = _find(store, run_id, pipeline, status, limit)
    except StoreError as error:
        raise place.away(error) from error
    if run_id is not None and not found:
        raise _CommandError(
            f'no run "{run_id}"',
            without_password(place.address),
            "`flexcore-gen runs` lists the runs there are",
        )
    if as_json:
        click.echo(json.dumps([run.summary() for run in found], indent=2))
        return
    from flexcore_gen.events import display  # noqa: PLC0415 - not for --json

    if run_id is not None:
        lines = display.one_run(found[0])
    elif found:
        lines = display.table(found)
    else:
        lines = iter(["no runs yet" if store is None else "no such runs"])
    for line in lines:
        click.echo(line)


def _find(
    store: EventStore | None,
    run_id: str | None,
    pipeline: str | None,
    status: str | None,
    limit: int,
) -> list[RunState]:
    if store is None:
        return []
    if run_id is None or run_id == "latest":
        ids = store.run_ids(pipeline=pipeline)
        wanted = 1 if run_id else limit
    else:
        ids = store.find_runs(run_id)
        wanted = 1
    found = []
    for each in ids:
        state = fold(each, store.events(each))
        if status in {None, state.status}:
            found.append(state)
        if len(found) == wanted:
            break
    return found


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="For machines: full envelopes.")
@click.option("--run", "run_id", metavar="RUN_ID", help="Only events of this run.")
@_store_option
@click.pass_context
def events(
    context: click.Context, as_json: bool, run_id: str | None, address: str | None
) -> None:
    """Show the events of runs in order, check them, or close lost runs."""
    context.obj = address
    if context.invoked_subcommand is not None:
        return
    place = _Place(address)
    place.mention_loose_ends()
    store = place.open()
    if as_json:
        click.echo("[" + ",".join(_envelopes(place, store, run_id)) + "\n]")
        return
    for line in _event_lines(place, store, run_id):
        click.echo(line)


def _envelopes(
    place: _Place, store: EventStore | None, run_id: str | None
) -> Iterator[str]:
    for stored in _events(place, store, run_id):
        yield "\n" + json.dumps(stored.envelope(), ensure_ascii=False)


def _event_lines(
    place: _Place, store: EventStore | None, run_id: str | None
) -> Iterator[str]:
    from flexcore_gen.events.display import clean  # noqa: PLC0415 - not for --json

    for stored in _events(place, store, run_id):
        event = stored.event
        yield (
            f"{event.time[:23]}Z  {event.aggregate_id}  {stored.version:>3}  "
            f"{event.name:<27}  {clean(event.subject)}"
        )


def _events(
    place: _Place, store: EventStore | None, run_id: str | None
) -> Iterator[StoredEvent]:
    if store is None:
        return
    try:
        chosen: list[str | None] = [None]
        if run_id is not None:
            chosen = [*_chosen(store, run_id)]
        for each in chosen:
            yield from store.events(each)
    except StoreError as error:
        raise place.away(error) from error


def _chosen(store: EventStore, run_id: str) -> list[str]:
    if run_id == "latest":
        return store.run_ids()[:1]
    return list(reversed(store.find_runs(run_id)))


@events.command()
@click.option("--expect-head", metavar="HASH", help="Fail unless the chain ends so.")
@_store_option
@click.pass_obj
def verify(parent: str | None, expect_head: str | None, address: str | None) -> None:
    """Check that no event was changed, removed or added past the triggers.

    A chain alone cannot show that its last events were cut off: keep the printed
    head elsewhere and hand it back with --expect-head.
    """
    place = _Place(address or parent)
    store = place.open()
    if store is None:
        click.echo("no events yet")
        return
    try:
        report = store.verify()
    except StoreError as error:
        raise place.away(error) from error
    problem = report.problem
    if problem is None and expect_head and not store.has_hash(expect_head):
        problem = f"no event has the hash {expect_head}: the chain was cut"
    if problem is not None:
        click.echo(f"flexcore-gen: error: {problem}", err=True)
        click.echo(f"  where: {without_password(place.address)}", err=True)
        click.echo("  fix:   restore the store from a backup", err=True)
        sys.exit(EXIT_FINDINGS)
    click.echo(f"{report.events} events, unbroken; head {report.head}")


@events.command()
@click.option("--run", "run_id", metavar="RUN_ID", help="Close this run by hand.")
@_store_option
@click.pass_obj
def reconcile(parent: str | None, run_id: str | None, address: str | None) -> None:
    """Add spooled events, and close runs whose process is gone.

    A run of another host cannot be judged from here: close it with --run once you
    know that it is dead.
    """
    from flexcore_gen.events.journal import replay  # noqa: PLC0415 - click's start
    from flexcore_gen.events.recovery import close_lost_runs  # noqa: PLC0415
    from flexcore_gen.events.running import RunRegistry  # noqa: PLC0415

    place = _Place(address or parent)
    if place.open() is None and not (place.directory / "spool").is_dir():
        click.echo("no runs yet")
        return
    registry = RunRegistry(place.directory)
    try:
        store = open_store(place.address, place.root)
        replayed = len(list(replay(place.directory / "spool", store)))
        dead = [run.run_id for run in registry.scan()[1]]
        by_hand = [] if run_id is None else store.find_runs(run_id)
        closed = close_lost_runs(
            store, registry, "flexcore-gen events reconcile", [*dead, *by_hand]
        )
    except StoreError as error:
        raise place.away(error) from error
    click.echo(f"{replayed} spooled run(s) added, {len(closed)} lost run(s) closed")
    for each in closed:
        click.echo(f"lost  {each}")


@events.command()
@click.option("--apply", is_flag=True, help="Run it, as the login of the address.")
@_store_option
@click.pass_obj
def init(parent: str | None, apply: bool, address: str | None) -> None:
    """Print the SQL that makes an event store in Postgres, for its administrator.

    It may be run again. A store in SQLite makes itself.
    """
    from flexcore_gen.events import postgres_schema  # noqa: PLC0415 - click's start

    if not apply:
        click.echo(postgres_schema.SQL, nl=False)
        return
    place = _Place(address or parent)
    shown = without_password(place.address)
    if not place.address.startswith(POSTGRES_SCHEMES):
        raise _CommandError(
            "only an event store in Postgres needs this",
            shown,
            "give --store postgresql://ADMINISTRATOR@HOST/DATABASE",
        )
    try:
        from flexcore_gen.events.postgres_store import set_up  # noqa: PLC0415 - slow

        set_up(place.address)
    except StoreError as error:
        raise _CommandError(
            f"the event store was not made: {error}",
            shown,
            "hand the SQL (without --apply) to the server's administrator",
        ) from error
    click.echo(f"made the event store in {shown}")
    click.echo("now, for each login that runs pipelines: GRANT flexcore_writer TO ...")
