"""`flexcore-gen runs` and `flexcore-gen events`: what happened, from the store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from flexcore_gen.events import delivery_commands, store_commands
from flexcore_gen.events.command_place import CommandError, Place, store_option
from flexcore_gen.events.run_state import STATUSES, RunState, fold
from flexcore_gen.events.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.events.run_event import StoredEvent
    from flexcore_gen.events.store import EventStore

_NAMED = 3
"""How many of the runs that one beginning means are named."""


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
@store_option
def runs(
    run_id: str | None,
    pipeline: str | None,
    status: str | None,
    limit: int,
    as_json: bool,
    address: str | None,
) -> None:
    """Show what ran, newest first.

    RUN_ID shows one run: its steps with rows per stream, models, files, times and
    errors. It is a run's id or the beginning of it, a correlation id, what
    `meltano run --run-id` was given, or `latest`.
    """
    place = Place(address)
    place.mention_loose_ends()
    store = place.open()
    try:
        found = _find(store, run_id, pipeline, status, limit)
    except StoreError as error:
        raise place.away(error) from error
    if run_id is not None and not found:
        raise CommandError(
            f'no run "{run_id}"',
            place.shown,
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
        ids = store.find_runs(run_id) or _begun_with(store, run_id)
        wanted = 1
    found = []
    for each in ids:
        state = fold(each, store.events(each))
        if status in {None, state.status}:
            found.append(state)
        if len(found) == wanted:
            break
    return found


def _begun_with(store: EventStore, beginning: str) -> list[str]:
    found = [each for each in store.run_ids() if each.startswith(beginning.lower())]
    if len(found) > 1:
        raise CommandError(
            f'{len(found)} runs begin with "{beginning}"',
            ", ".join(found[:_NAMED]) + (", …" if len(found) > _NAMED else ""),
            "give more of the id",
        )
    return found


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="For machines: full envelopes.")
@click.option("--run", "run_id", metavar="RUN_ID", help="Only events of this run.")
@store_option
@click.pass_context
def events(
    context: click.Context, as_json: bool, run_id: str | None, address: str | None
) -> None:
    """Show the events of runs in order, check them, or close lost runs."""
    context.obj = address
    if context.invoked_subcommand is not None:
        return
    place = Place(address)
    place.mention_loose_ends()
    store = place.open()
    if as_json:
        click.echo("[" + ",".join(_envelopes(place, store, run_id)) + "\n]")
        return
    is_empty = True
    for line in _event_lines(place, store, run_id):
        is_empty = False
        click.echo(line)
    if is_empty:
        click.echo("no events yet")


def _envelopes(
    place: Place, store: EventStore | None, run_id: str | None
) -> Iterator[str]:
    for stored in _events(place, store, run_id):
        yield "\n" + json.dumps(stored.envelope(), ensure_ascii=False)


def _event_lines(
    place: Place, store: EventStore | None, run_id: str | None
) -> Iterator[str]:
    from flexcore_gen.events.display import clean  # noqa: PLC0415 - not for --json

    for stored in _events(place, store, run_id):
        event = stored.event
        yield (
            f"{event.time[:23]}Z  {event.aggregate_id}  {stored.version:>3}  "
            f"{event.name:<27}  {clean(event.subject)}"
        )


def _events(
    place: Place, store: EventStore | None, run_id: str | None
) -> Iterator[StoredEvent]:
    if store is None:
        return
    try:
        chosen: list[str | None] = [None]
        if run_id is not None:
            chosen = [*_chosen(store, run_id)]
            if not chosen:
                raise CommandError(
                    f'no run "{run_id}"',
                    place.shown,
                    "`flexcore-gen runs` lists the runs there are",
                )
        for each in chosen:
            yield from store.events(each)
    except StoreError as error:
        raise place.away(error) from error


def _chosen(store: EventStore, run_id: str) -> list[str]:
    if run_id == "latest":
        return store.run_ids()[:1]
    return list(reversed(store.find_runs(run_id))) or _begun_with(store, run_id)


for _each in (*store_commands.ALL, *delivery_commands.ALL):
    events.add_command(_each)
