"""The store that a command works on, and the errors that commands end with."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from flexcore_gen.events import locations
from flexcore_gen.events.store import (
    EmptyStoreError,
    EventStore,
    StoreError,
    open_store,
    without_password,
)

EXIT_FINDINGS = 1
EXIT_USAGE = 2

store_option = click.option(
    "--store",
    "address",
    metavar="ADDRESS",
    help="Event store, e.g. sqlite:///.flexcore/events.db; default: the project's.",
)


class CommandError(click.ClickException):
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


class Place:
    """The store that a command reads, and the folder beside it."""

    def __init__(self, address: str | None) -> None:
        root = locations.find_root(Path.cwd())
        if root is None and address is None:
            raise CommandError(
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
        self.is_given = bool(address)

    @property
    def shown(self) -> str:
        """The store's address, for people."""
        return without_password(self.address)

    def open(self) -> EventStore | None:
        """Return the store; None when nothing has ever run.

        Raises:
            CommandError: It cannot be read, or --store names none: a misspelt name
                must not be told as a store without a fault.
        """
        path = self.root / self.address.removeprefix("sqlite:///")
        if self.address.startswith("sqlite:///") and not path.exists():
            if self.is_given:
                raise CommandError(
                    "there is no event store",
                    self.shown,
                    "look at the path that --store names",
                )
            return None
        try:
            store = open_store(self.address, self.root, create=False)
        except EmptyStoreError:
            return None
        except StoreError as error:
            raise self.away(error) from error
        click.get_current_context().call_on_close(store.close)
        return store

    def away(self, error: StoreError) -> CommandError:
        """Return the error for a store that cannot be read."""
        return CommandError(
            f"the event store cannot be read: {error}",
            self.shown,
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
