"""`flexcore-gen metrics`: run metrics for Prometheus, printed, as a file or served."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flexcore_gen import report
from flexcore_gen.errors import EXIT_NOT_WRITTEN, FlexCoreError
from flexcore_gen.events.command_place import Place, store_option
from flexcore_gen.events.store import SQLITE_SCHEME, EmptyStoreError, open_store
from flexcore_gen.schedules import longest_interval

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from flexcore_gen.events.store import EventStore


@click.group(invoke_without_command=True)
@click.option(
    "--textfile",
    type=click.Path(path_type=Path),
    help="Write them into this file, in one step, for node_exporter.",
)
@store_option
@click.pass_context
def metrics(
    context: click.Context, textfile: Path | None, address: str | None
) -> int | None:
    """Print metrics of runs for Prometheus."""
    context.obj = address
    if context.invoked_subcommand is not None:
        return None
    registry = _registry(address)
    from prometheus_client import generate_latest, write_to_textfile  # noqa: PLC0415

    if textfile is None:
        click.echo(generate_latest(registry).decode(), nl=False)
        return 0
    try:
        write_to_textfile(str(textfile), registry)
    except OSError as error:
        raise FlexCoreError(
            f"cannot write {textfile}: {error.strerror}", exit_code=EXIT_NOT_WRITTEN
        ) from error
    return 0


@metrics.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9464,
    show_default=True,
    help="Port; 0 takes a free one.",
)
@store_option
@click.pass_obj
def serve(parent: str | None, host: str, port: int, address: str | None) -> int:
    """Serve them at /metrics until Ctrl-C; each scrape reads what is new."""
    registry = _registry(address or parent)
    from prometheus_client import start_http_server  # noqa: PLC0415

    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise FlexCoreError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            fix="choose another --host or --port",
        ) from error
    report.say(f"serving http://{host}:{server.server_port}/metrics; Ctrl-C ends it")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.shutdown()
        thread.join()
    return 0


def _registry(address: str | None) -> CollectorRegistry:
    try:
        from prometheus_client import CollectorRegistry  # noqa: PLC0415 - optional
    except ImportError as error:
        raise FlexCoreError(
            "prometheus-client is not installed",
            fix="uv pip install 'flexcore[metrics]'",
        ) from error
    from flexcore_gen.events.metrics import StoreCollector  # noqa: PLC0415 - the same

    place = Place(address)
    logging.basicConfig(format="flexcore-gen: warning: %(message)s")

    def open_now() -> EventStore | None:
        """Open the store in any thread; the collector closes it."""
        path = place.root / place.address.removeprefix(SQLITE_SCHEME)
        if place.address.startswith(SQLITE_SCHEME) and not path.exists():
            return None
        try:
            return open_store(place.address, place.root, create=False)
        except EmptyStoreError:
            return None

    registry = CollectorRegistry()
    registry.register(StoreCollector(open_now, _intervals(place.root)))
    return registry


def _intervals(root: Path) -> dict[str, float]:
    """Pipeline to its longest interval; empty where the project cannot be read."""
    from flexcore_gen.ecosystem import load_ecosystem  # noqa: PLC0415 - only here

    try:
        ecosystem = load_ecosystem(root)
    except FlexCoreError:
        report.say("flexcore-gen: warning: no schedules: the ecosystem has errors")
        return {}
    found = {}
    for pipeline in ecosystem.pipelines:
        if pipeline.schedule and (longest := longest_interval(pipeline.schedule)):
            found[pipeline.name] = longest.total_seconds()
    return found
