"""`flexcore-gen`: the command line. Subcommands are loaded when they are used.

`--help` must answer at once (150 ms), so this module imports click and nothing
else of weight; each command's module is imported when the command runs.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Command, module and attribute, and the line that `--help` shows.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "init": ("init", "init", "Make a working environment with a sample pipeline."),
    "new": ("new", "new", "Make a tap or target of your own."),
    "list": ("listing", "list_group", "List plugins and their settings."),
    "validate": ("validate", "validate", "Check an ecosystem, or one of its files."),
    "plan": ("planning", "plan", "Show the tasks that pipelines become."),
    "generate": ("generate", "generate", "Render every file of the project."),
    "check": ("generate", "check", "Fail if generate would change anything."),
    "diff": ("diff", "diff", "Show what differs between two environments."),
    "promote": (
        "promote",
        "promote",
        "Give an environment the image that another one runs.",
    ),
    "explain": ("explain", "explain", "Show which lines made a rendered file."),
    "dbt-models": (
        "dbt_models",
        "dbt_models",
        "Write staging models for the tables of a tap's catalog.",
    ),
    "schema": ("schema", "schema", "Print the JSON Schema for editors."),
    "bundle": ("bundle", "bundle", "Collect what a host without network needs."),
    "schedule": ("schedule", "schedule", "Run pipelines at their times."),
    "runs": ("", "runs", "Show what ran."),
    "metrics": ("metrics", "metrics", "Metrics of runs for Prometheus."),
    "report": ("page", "report", "Write what ran as one static page."),
    "ui": ("ui", "ui", "Show runs and events in a browser."),
    "events": ("", "events", "Read and look after the event store."),
}
_EVENTS_MODULE = "flexcore_gen.events.commands"


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own
        """The commands in the order of a user's way."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's own
        """Imports a command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        name = f"flexcore_gen.commands.{module}" if module else _EVENTS_MODULE
        command: click.Command = getattr(import_module(name), attribute)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's own
        formatter: click.HelpFormatter,
    ) -> None:
        """Lists the commands from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line[2]) for name, line in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggests the nearest command for a misspelt one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from flexcore_gen.errors import suggest  # noqa: PLC0415 - rarely

            ctx.fail(f'no command is called "{args[0]}": {suggest(args[0], COMMANDS)}')
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="flexcore", prog_name="flexcore-gen")
def cli() -> None:
    """From one ecosystem.yaml to running Meltano pipelines."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; the exit code says how it went (0, 1, 2, 3, 130).

    An answer that did not arrive is no success: it is flushed before the end.
    """
    # Closed by the caller, they are None; what opens a file next must not get
    # their numbers.
    sys.stdin = sys.stdin or Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - until the end
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    try:
        result = cli.main(args=arguments, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("flexcore-gen: interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except OSError as error:
        _end_unanswered(error)
    except Exception as error:
        from flexcore_gen import report  # noqa: PLC0415 - only for errors
        from flexcore_gen.errors import (  # noqa: PLC0415 - only for errors
            FlexCoreError,
            InvalidEcosystemError,
        )

        if not isinstance(error, FlexCoreError):
            raise
        if isinstance(error, InvalidEcosystemError):
            report.tell_problems(p for p in error.problems if p.severity != "note")
        else:
            report.tell_error(error)
        sys.exit(error.exit_code)
    sys.exit(result if isinstance(result, int) else 0)


def _end_unanswered(error: OSError) -> NoReturn:
    """Ends after a failed write; what is left for stdout goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if isinstance(error, BrokenPipeError):
        sys.exit(1)  # Whoever read us has seen enough.
    from flexcore_gen import report  # noqa: PLC0415 - only for errors
    from flexcore_gen.errors import (  # noqa: PLC0415 - only for errors
        EXIT_NOT_WRITTEN,
        FlexCoreError,
    )

    report.tell_error(
        FlexCoreError(
            f"stopped half way: {error.strerror or error}",
            where=str(error.filename or "standard output"),
            fix="mend it and run the command again",
        )
    )
    sys.exit(EXIT_NOT_WRITTEN)
