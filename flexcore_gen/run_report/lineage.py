"""What feeds what: a pipeline's steps between the systems, as boxes and lines.

The boxes come from the same plan as meltano.yml, so the picture cannot differ from
what runs; the numbers in them are the last run's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flexcore_gen.known_plugins import TAP, TARGET

if TYPE_CHECKING:
    from flexcore_gen.events.run_state import RunState
    from flexcore_gen.model import Step
    from flexcore_gen.tasks import PipelinePlan

BOX_WIDTH, BOX_HEIGHT = 190.0, 58.0
_GAP_X, _GAP_Y = 50.0, 18.0
_SHOWN = 26


@dataclass(frozen=True, slots=True)
class Box:
    """A system (`kind` is "system") or a step (tap, target, transform)."""

    x: float
    y: float
    kind: str
    name: str
    detail: str
    note: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """From the right edge of one box to the left edge of another."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def path(self) -> str:
        """An SVG path that leaves and arrives level."""
        middle = (self.x1 + self.x2) / 2
        return (
            f"M{self.x1:g},{self.y1:g} C{middle:g},{self.y1:g} "
            f"{middle:g},{self.y2:g} {self.x2:g},{self.y2:g}"
        )


@dataclass(frozen=True, slots=True)
class Lineage:
    """One pipeline's picture."""

    pipeline: str
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: float
    height: float


def lineage(plan: PipelinePlan, last: RunState | None) -> Lineage:
    """Lays a pipeline out from left to right, by its longest way from a source.

    Args:
        plan: The pipeline.
        last: Its last run, whose rows and outcome the steps show.
    """
    layers: dict[str, int] = {}
    for step in plan.pipeline.steps:
        layers[_key(step)] = _layer(plan, step)
    edges: list[tuple[str, str]] = []
    systems: dict[str, tuple[int, str]] = {}
    for step in plan.pipeline.steps:
        edges += [(f"step:{name}", _key(step)) for name in step.depends_on]
        if step.connection and step.kind == TAP:
            key = f"from:{step.connection}"
            systems[key] = (0, step.connection)
            edges.append((key, _key(step)))
        if step.connection and step.kind == TARGET:
            key = f"to:{step.connection}"
            layer = max(systems.get(key, (0, ""))[0], layers[_key(step)] + 1)
            systems[key] = (layer, step.connection)
            edges.append((_key(step), key))
    layers.update({key: layer for key, (layer, _) in systems.items()})
    outcome = _outcomes(plan, last)
    columns: dict[int, int] = {}
    places: dict[str, Box] = {}
    for key, layer in sorted(layers.items(), key=lambda item: item[1]):
        row = columns.get(layer, 0)
        columns[layer] = row + 1
        x = layer * (BOX_WIDTH + _GAP_X) + 1
        y = row * (BOX_HEIGHT + _GAP_Y) + 1
        if key in systems:
            places[key] = Box(x, y, "system", _short(systems[key][1]), "connection")
        else:
            step = plan.pipeline.step(key.removeprefix("step:"))
            note, status = outcome.get(step.name, ("", ""))
            places[key] = Box(
                x, y, step.kind, _short(step.name), _short(step.plugin), note, status
            )
    lines = tuple(_line(places[a], places[b]) for a, b in edges)
    width = (max(layers.values(), default=0) + 1) * (BOX_WIDTH + _GAP_X) - _GAP_X + 2
    height = max(columns.values(), default=1) * (BOX_HEIGHT + _GAP_Y) - _GAP_Y + 2
    return Lineage(plan.pipeline.name, tuple(places.values()), lines, width, height)


def _key(step: Step) -> str:
    return f"step:{step.name}"


def _layer(plan: PipelinePlan, step: Step) -> int:
    """1 for a source's step, else one more than the deepest it depends on."""
    return 1 + max(
        (_layer(plan, plan.pipeline.step(n)) for n in step.depends_on), default=0
    )


def _outcomes(plan: PipelinePlan, last: RunState | None) -> dict[str, tuple[str, str]]:
    """Each step's note and status in the last run."""
    if last is None:
        return {}
    done = {step["name"]: step for step in last.steps}
    failed = (last.failed_step or {}).get("name")
    found: dict[str, tuple[str, str]] = {}
    for task in plan.tasks:
        for name in task.steps:
            if task.blocks == failed:
                found[name] = ("failed", "failed")
            elif task.blocks in done:
                found[name] = (_numbers(done[task.blocks]), "success")
            elif name not in found:
                found[name] = ("not reached", "")
    return found


def _numbers(step: dict[str, object]) -> str:
    streams = step.get("streams")
    if isinstance(streams, dict) and streams:
        rows = sum(int(n.get("loaded") or 0) for n in streams.values())
        return f"{rows:,} rows"
    models = step.get("models")
    return f"{len(models)} models" if isinstance(models, list) else "done"


def _line(start: Box, end: Box) -> Line:
    half = BOX_HEIGHT / 2
    return Line(start.x + BOX_WIDTH, start.y + half, end.x, end.y + half)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
