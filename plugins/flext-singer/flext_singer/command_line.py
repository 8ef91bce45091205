"""The command line of a tap or target: `main = entry_point(TapLdif)`.

Installs the termination rules, runs the SDK's command, and turns what goes wrong
into one error of three parts on stderr and a non-zero exit. Under structured
logging the same error goes out as a log record with its exception, which is how
Meltano and the event hook learn of it.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any, NoReturn

import click
from singer_sdk.logging import StructuredFormatter

from flext_singer import secrets, termination
from flext_singer.errors import FlextError, place_of
from flext_singer.failpoints import VARIABLE, failpoints

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk.plugin_base import PluginBase

_COLLECTED_OBJECTS = 50_000
_FIX = "run again with LOGLEVEL=DEBUG for the whole story"


def entry_point(plugin: type[PluginBase]) -> Callable[[], NoReturn]:
    """Return the `main` of a tap or target.

    Args:
        plugin: The tap's or target's class.
    """

    def main() -> NoReturn:
        name = plugin.name
        termination.install(name)
        spare_the_collector()
        command = _plain(plugin.cli)  # sets up logging as well
        secrets.mask_logs()
        logging.captureWarnings(capture=True)
        warnings.filterwarnings("once", category=DeprecationWarning)
        try:
            failpoints.arm(os.environ.get(VARIABLE))
            code = command.main(prog_name=name, standalone_mode=False)
        except SystemExit as stop:
            termination.end(stop.code if isinstance(stop.code, int) else 1)
        except click.ClickException as error:
            error.show()
            termination.end(error.exit_code)
        except BrokenPipeError:
            termination.install(name).end_without_peer("the reader of the output")
        except (click.Abort, KeyboardInterrupt):
            termination.end(130)
        except BaseException as error:  # noqa: BLE001 - the process ends here
            report(name, error)
            termination.end(1)
        termination.end(code if isinstance(code, int) else 0)

    main.__doc__ = f"Run {plugin.name} from the command line."
    return main


def spare_the_collector() -> None:
    """Let the garbage collector look at new objects less often, at old ones never.

    Records are trees: they go when their last reference does. At its own pace the
    collector walks what is alive every 700 objects, a third of the time that reading
    entries takes. Modules and classes stay until the end anyway.
    """
    gc.freeze()
    gc.set_threshold(_COLLECTED_OBJECTS, 20, 50)


def _plain(command: click.Command) -> click.Command:
    """Return the SDK's command without its own way of reporting errors."""
    return click.Command(
        command.name,
        context_settings=command.context_settings,
        callback=command.callback,
        params=command.params,
        help=command.help,
    )


def describe(plugin: str, error: BaseException) -> str:
    """Return an error in three parts, secrets masked.

    Args:
        plugin: Name of the tap or target.
        error: Any exception.
    """
    what = getattr(error, "what", "") or str(error) or type(error).__name__
    if not isinstance(error, FlextError) and not hasattr(error, "what"):
        what = f"{what} ({type(error).__name__})"
    where = place_of(error) or plugin
    fix = getattr(error, "fix", "") or _FIX
    what = " ".join(what.split())
    return secrets.mask(f"{plugin}: error: {what}\n  where: {where}\n  fix:   {fix}")


def report(plugin: str, error: BaseException) -> None:
    """Say what went wrong, on stderr or in the structured log."""
    text = describe(plugin, error)
    logger = logging.getLogger(plugin)
    if _is_structured():
        logger.error("%s", text, exc_info=error)
        return
    show_traceback = logger.isEnabledFor(logging.DEBUG)
    if show_traceback:
        logger.debug("The error in full", exc_info=error)
    sys.stderr.write(text + "\n")


def _is_structured() -> bool:
    def inner(formatter: Any) -> Any:  # noqa: ANN401 - any formatter
        return getattr(formatter, "inner", formatter)

    return any(
        isinstance(inner(handler.formatter), StructuredFormatter)
        for handler in logging.getLogger().handlers
    )
