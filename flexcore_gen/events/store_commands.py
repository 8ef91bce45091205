"""`flexcore-gen events …`: looking after the store."""

from __future__ import annotations

import datetime as dt
import difflib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from flexcore_gen.events.command_place import (
    EXIT_FINDINGS,
    CommandError,
    Place,
    store_option,
)
from flexcore_gen.events.event_queries import Filter, Page
from flexcore_gen.events.run_event import TYPES, utc_now
from flexcore_gen.events.run_state import fold
from flexcore_gen.events.store import POSTGRES_SCHEMES, StoreError, open_store

if TYPE_CHECKING:
    from flexcore_gen.events.store import EventStore


@click.command()
@click.option("--expect-head", metavar="HASH", help="Fail unless the chain has this.")
@click.option(
    "--anchor",
    "anchors",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Fail unless the chain has each head that `events anchor` wrote there.",
)
@store_option
@click.pass_obj
def verify(
    parent: str | None,
    expect_head: str | None,
    anchors: Path | None,
    address: str | None,
) -> None:
    """Check that no event was changed, removed or slipped in.

    Hashes, places and versions without gaps, at most one end of each run. A chain
    alone cannot show that its last events were cut off: keep what `events anchor`
    says elsewhere and hand it back.
    """
    place = Place(address or parent)
    store = place.open()
    heads = _anchored(anchors) if anchors else []
    if store is None and not heads and not expect_head:
        click.echo("no events yet")
        return
    try:
        problem = "the store is gone" if store is None else None
        if store is not None:
            report = store.verify()
            problem = report.problem or _cut(store, expect_head, heads)
    except StoreError as error:
        raise place.away(error) from error
    if problem is not None:
        _fail(problem, place, "restore the store from a backup")
    click.echo(f"{report.events} events, unbroken; head {report.head}")


def _cut(
    store: EventStore, expect_head: str | None, heads: list[dict[str, Any]]
) -> str | None:
    if expect_head and not store.has_hash(expect_head):
        return f"no event has the hash {expect_head}: the chain was cut"
    for head in heads:
        if head["events"] and not store.has_hash(head["head"]):
            return (
                f"event {head['events']}, anchored {head['time']}, is not there any "
                "more: the chain was cut or written anew"
            )
    return None


def _anchored(path: Path) -> list[dict[str, Any]]:
    heads = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            head = json.loads(line)
            heads.append({name: head[name] for name in ("time", "events", "head")})
        except (ValueError, KeyError, TypeError):
            raise CommandError(
                "this line is no anchor",
                f"{path}:{number}",
                "give the file that `flexcore-gen events anchor --file` writes",
            ) from None
    return heads


@click.command()
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Add the line to this file; keep it where the store's owner cannot write.",
)
@store_option
@click.pass_obj
def anchor(parent: str | None, path: Path | None, address: str | None) -> None:
    """Print the head of the chain, or add it to a file.

    `events verify --anchor` compares a store with such a file.
    """
    place = Place(address or parent)
    store = place.open()
    if store is None:
        _fail("there are no events to anchor", place, "run a pipeline first")
    try:
        report = store.verify()
    except StoreError as error:
        raise place.away(error) from error
    if report.problem is not None:
        _fail(report.problem, place, "restore the store from a backup")
    line = json.dumps({"time": utc_now(), "events": report.events, "head": report.head})
    if path is None:
        click.echo(line)
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CommandError(
            f"the anchor was not written: {error.strerror}",
            str(path),
            "give a file in a folder that you may write",
        ) from error
    click.echo(f"anchored event {report.events} in {path}")


@click.command()
@store_option
@click.pass_obj
def replay(parent: str | None, address: str | None) -> None:
    """Compare each run's events with the table of runs."""
    place = Place(address or parent)
    store = place.open()
    if store is None:
        click.echo("no runs yet")
        return
    try:
        rows = {row["run_id"]: row for row in store.run_rows()}
        problem = None
        for run_id in store.run_ids():
            summary = fold(run_id, store.events(run_id)).summary()
            row = rows.pop(run_id, {})
            for name, value in row.items():
                if summary[name] != value and problem is None:
                    problem = (
                        f"run {run_id}: its events say {name} = {summary[name]!r}, "
                        f"the table of runs says {value!r}"
                    )
            if not row:
                problem = problem or f"run {run_id} is not in the table of runs"
    except StoreError as error:
        raise place.away(error) from error
    if problem is not None:
        _fail(problem, place, "report this; the events are what counts")
    count = len(store.run_ids())
    click.echo(f"{count} run{'' if count == 1 else 's'}, each as its events say")


@click.command()
@click.option("--run", "run_id", metavar="RUN_ID", help="Of this run (aggregate).")
@click.option("--correlation", metavar="ID", help="With this correlation id.")
@click.option("--pipeline", metavar="NAME", help="Of runs of this pipeline.")
@click.option("--type", "name", metavar="NAME", help="PipelineFailed, flexcore.….v1.")
@click.option("--since", metavar="TIME", help="From then on, RFC 3339.")
@click.option("--until", metavar="TIME", help="Before then, RFC 3339.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option(
    "--after",
    type=click.IntRange(min=0),
    default=0,
    metavar="SEQUENCE",
    help="Only past this position; the answer's `next_after` gives the next page.",
)
@store_option
@click.pass_obj
def query(
    parent: str | None,
    /,
    address: str | None,
    limit: int,
    after: int,
    **wanted: str,
) -> None:
    """Print the events that match, as JSON.

    One object: total, has_more, next_after, events.
    """
    place = Place(address or parent)
    _check_type(wanted["name"])
    times = {each: _utc(wanted.pop(each), each) for each in ("since", "until")}
    chosen = Filter(
        correlation_id=wanted.pop("correlation"),
        **wanted,
        **times,
    )
    store = place.open()
    try:
        page = Page([], 0, has_more=False)
        if store is not None:
            page = store.page(chosen, limit=limit, after=after)
    except StoreError as error:
        raise place.away(error) from error
    last = page.events[-1].sequence if page.events else after
    answer = {
        "total": page.total,
        "has_more": page.has_more,
        "next_after": last if page.has_more else None,
        "events": [stored.envelope() for stored in page.events],
    }
    click.echo(json.dumps(answer, indent=1, ensure_ascii=False))


def _check_type(name: str | None) -> None:
    if name is None or name in TYPES or name in TYPES.values():
        return
    near = difflib.get_close_matches(name, TYPES, n=1)
    raise CommandError(
        f'no event is called "{name}"',
        "--type",
        f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(TYPES)}",
    )


def _utc(text: str | None, option: str) -> str | None:
    """Return a time as events spell it: their order is that of their text."""
    if text is None:
        return None
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f'"{text}" is no time',
            f"--{option}",
            "write it like 2026-11-25 or 2026-11-25T21:00:00Z",
        ) from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=dt.UTC)
    utc = time.astimezone(dt.UTC).isoformat(timespec="microseconds")
    return utc.replace("+00:00", "Z")


def _fail(problem: str, place: Place, fix: str) -> NoReturn:
    click.echo(f"flexcore-gen: error: {problem}", err=True)
    click.echo(f"  where: {place.shown}", err=True)
    click.echo(f"  fix:   {fix}", err=True)
    sys.exit(EXIT_FINDINGS)


@click.command()
@click.option("--run", "run_id", metavar="RUN_ID", help="Close this run by hand.")
@store_option
@click.pass_obj
def reconcile(parent: str | None, run_id: str | None, address: str | None) -> None:
    """Add spooled events, and close runs whose process is gone.

    A run of another host cannot be judged from here: close it with --run once you
    know that it is dead.
    """
    from flexcore_gen.events.journal import replay  # noqa: PLC0415 - click's start
    from flexcore_gen.events.recovery import close_lost_runs  # noqa: PLC0415
    from flexcore_gen.events.running import RunRegistry  # noqa: PLC0415

    place = Place(address or parent)
    if place.open() is None and not (place.directory / "spool").is_dir():
        click.echo("no runs yet")
        return
    registry = RunRegistry(place.directory)
    try:
        store = open_store(place.address, place.root)
        click.get_current_context().call_on_close(store.close)
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


@click.command()
@click.option("--apply", is_flag=True, help="Run it, as the login of the address.")
@store_option
@click.pass_obj
def init(parent: str | None, apply: bool, address: str | None) -> None:
    """Print the SQL that makes an event store in Postgres.

    It is for the database's administrator, and may be run again. A store in SQLite
    makes itself.
    """
    from flexcore_gen.events import postgres_schema  # noqa: PLC0415 - click's start

    if not apply:
        click.echo(postgres_schema.SQL, nl=False)
        return
    place = Place(address or parent)
    shown = place.shown
    if not place.address.startswith(POSTGRES_SCHEMES):
        raise CommandError(
            "only an event store in Postgres needs this",
            shown,
            "give --store postgresql://ADMINISTRATOR@HOST/DATABASE",
        )
    try:
        from flexcore_gen.events.postgres_store import set_up  # noqa: PLC0415 - slow

        set_up(place.address)
    except StoreError as error:
        raise CommandError(
            f"the event store was not made: {error}",
            shown,
            "hand the SQL (without --apply) to the server's administrator",
        ) from error
    click.echo(f"made the event store in {shown}")
    click.echo("now, for each login that runs pipelines: GRANT flexcore_writer TO ...")


ALL = (verify, anchor, reconcile, replay, query, init)
