"""`flexcore-gen events deliver`, `deliveries` and `freshness`."""

from __future__ import annotations

import datetime as dt
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from flexcore_gen.events.command_place import (
    EXIT_FINDINGS,
    CommandError,
    Place,
    store_option,
)
from flexcore_gen.events.store import StoreError

if TYPE_CHECKING:
    from flexcore_gen.events.delivery import Report
    from flexcore_gen.events.destinations import Destination
    from flexcore_gen.events.freshness import Late

_environment_option = click.option(
    "--environment", metavar="NAME", envvar="MELTANO_ENVIRONMENT", help="As Meltano's."
)


def _document(place: Place) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - takes a while, and not every command needs it

    path = place.root / "meltano.yml"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506 - both are safe
    except (OSError, yaml.YAMLError) as error:
        raise CommandError(
            "meltano.yml cannot be read",
            f"{path}: {str(error).splitlines()[0]}",
            "change into a project, or render it by `flexcore-gen generate`",
        ) from error
    return document if isinstance(document, dict) else {}


def _destinations(
    place: Place, document: dict[str, Any], environment: str | None, name: str | None
) -> list[Destination]:
    from flexcore_gen.events.destinations import notes_of, read  # noqa: PLC0415

    found = read(notes_of(document, environment))
    chosen = [each for each in found if name in {None, each.name}]
    if name is not None and not chosen:
        raise CommandError(
            f'no handler or exporter is named "{name}"',
            str(place.root / "meltano.yml"),
            f"there are: {', '.join(each.name for each in found) or 'none'}",
        )
    return chosen


@click.command()
@click.option("--name", metavar="NAME", help="Only to this handler or exporter.")
@click.option(
    "--from",
    "again_from",
    type=click.IntRange(min=0),
    metavar="SEQUENCE",
    help="Deliver everything past this position once more; needs --name.",
)
@click.option("--since-run", metavar="RUN_ID", hidden=True)
@_environment_option
@store_option
@click.pass_obj
def deliver(
    parent: str | None,
    /,
    name: str | None,
    again_from: int | None,
    since_run: str | None,
    environment: str | None,
    address: str | None,
) -> None:
    """Bring handlers and exporters up to date.

    Each run starts this by itself; by hand, or scheduled, it goes on with what could
    not be delivered then. Spooled events are added first.
    """
    from flexcore_gen.events.delivery import deliver_all  # noqa: PLC0415 - click's start
    from flexcore_gen.events.journal import replay  # noqa: PLC0415 - the same

    if again_from is not None and name is None:
        raise CommandError(
            "--from delivers events once more",
            "the command line",
            "say to whom with --name",
        )
    place = Place(address or parent)
    chosen = _destinations(place, _document(place), environment, name)
    store = place.open()
    if store is None:
        click.echo("no events yet")
        return
    try:
        list(replay(place.directory / "spool", store))
        start = None
        if since_run is not None:
            start = next((each.sequence - 1 for each in store.events(since_run)), None)
    except StoreError as error:
        raise place.away(error) from error
    _tell(
        deliver_all(
            chosen,
            place.address,
            place.root,
            place.directory,
            start=start,
            again_from=again_from,
        )
    )


def _tell(reports: list[Report]) -> None:
    for each in reports:
        refused = f", {each.refused} refused" if each.refused else ""
        click.echo(f"{each.destination}: {each.delivered} delivered{refused}")
        if each.problem:
            click.echo(
                f"flexcore-gen: error: {each.destination} is behind\n"
                f"  where: {each.problem}\n"
                "  fix:   the next run, or `flexcore-gen events deliver`, tries again",
                err=True,
            )
    if any(each.problem for each in reports):
        sys.exit(EXIT_FINDINGS)


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@store_option
@click.pass_obj
def deliveries(
    parent: str | None, /, *, limit: int, as_json: bool, address: str | None
) -> None:
    """Show what handlers and exporters got, newest first."""
    place = Place(address or parent)
    store = place.open()
    try:
        rows = store.deliveries(limit) if store else []
    except StoreError as error:
        raise place.away(error) from error
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        click.echo(
            f"{row['time'][:19]}Z  {row['destination']:<16}  {row['outcome']:<9}  "
            f"{row['attempts']}x  {row['event_id']}  {row['detail']}"
        )
    if not rows:
        click.echo("no deliveries yet")


@click.command()
@click.option(
    "--grace-minutes",
    type=click.IntRange(min=0),
    default=60,
    show_default=True,
    help="How long a run may take from when it was due.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@_environment_option
@store_option
@click.pass_obj
def freshness(
    parent: str | None,
    /,
    *,
    grace_minutes: int,
    as_json: bool,
    environment: str | None,
    address: str | None,
) -> None:
    """Find scheduled pipelines that are late.

    For cron: exit code 1 when there are any. Each delay is reported once,
    as the event FreshnessMissed, to the handlers. Schedules count in UTC.
    """
    from flexcore_gen.events.delivery import deliver_all  # noqa: PLC0415 - click's start
    from flexcore_gen.events.freshness import find_late, report  # noqa: PLC0415

    place = Place(address or parent)
    document = _document(place)
    environment = environment or document.get("default_environment")
    store = place.open()
    if store is None:
        click.echo("no runs yet")
        return
    now = dt.datetime.now(dt.UTC)
    grace = dt.timedelta(minutes=grace_minutes)
    try:
        late = find_late(document, store, environment, grace, now)
        start = store.last_sequence()
        source = f"/flexcore/{place.root.name}/{environment or ''}"
        added = [each for each in late if report(store, each, source)]
    except StoreError as error:
        raise place.away(error) from error
    except ValueError as error:
        raise CommandError(
            f"a schedule's interval will not do: {error}",
            str(place.root / "meltano.yml"),
            "write five fields, or @daily",
        ) from error
    _say_late(late, as_json=as_json)
    if added:
        chosen = _destinations(place, document, environment, None)
        for problem in deliver_all(
            chosen, place.address, place.root, place.directory, start=start
        ):
            if problem.problem:
                click.echo(f"{problem.destination}: {problem.problem}", err=True)
    if late:
        sys.exit(EXIT_FINDINGS)


def _say_late(late: list[Late], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([vars(each) for each in late], indent=1))
        return
    for each in late:
        click.echo(
            f"late  {each.pipeline}: due {each.due_at}, last success "
            f"{each.last_success or 'never'}"
        )
    if not late:
        click.echo("all scheduled pipelines are fresh")


ALL = (deliver, deliveries, freshness)
