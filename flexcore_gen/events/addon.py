"""What Meltano loads: one project setting, and the hook installed beside it.

Meltano loads every entry point of the group `meltano.settings` while it reads a
project's settings: in each command run inside a project, before it applies
`logging.yaml`. Being imported is the hook's only trigger, so this module is small
and swallows every error of its own: a broken hook must never break `meltano`.
"""

import sys

from meltano.core.setting_definition import SettingDefinition

EVENTS_STORE = SettingDefinition(
    name="flexcore.events_store",
    label="FlexCore event store",
    description="Where run events are kept, e.g. sqlite:///.flexcore/events.db.",
    sensitive=True,
)

try:
    from flexcore_gen.events import listener

    listener.install()
except Exception as error:  # noqa: BLE001 - see above: never break `meltano`
    sys.stderr.write(f"flexcore: no events: {type(error).__name__}: {error}\n")
