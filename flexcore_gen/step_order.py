"""The order in which a pipeline's steps run, or what keeps them from having one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flexcore_gen.errors import Problem, suggest
from flexcore_gen.known_plugins import TAP, TARGET, TRANSFORM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flexcore_gen.model import Pipeline, Step


def ordered_steps(pipeline: Pipeline, problems: list[Problem]) -> list[Step] | None:
    """The steps in dependency order, transforms of one level side by side.

    None if there is no such order; the problems say why.
    """
    steps = {step.name: step for step in pipeline.steps}
    path = f"pipelines.{pipeline.name}"
    is_bad = False
    for step in pipeline.steps:
        for name in step.depends_on:
            if name in steps:
                continue
            is_bad = True
            problems.append(
                Problem(
                    step.mark,
                    f'step "{step.name}" depends on "{name}", which is no step here',
                    suggest(name, steps),
                    f"{path}.{step.name}.depends_on",
                )
            )
    if is_bad:
        return None
    rank = {TAP: 0, TRANSFORM: 1, TARGET: 2}
    position = {step.name: index for index, step in enumerate(pipeline.steps)}
    waiting = {step.name: set(step.depends_on) for step in pipeline.steps}
    order: list[Step] = []
    while waiting:
        ready = [name for name, needs in waiting.items() if not needs]
        if not ready:
            circle = _circle(waiting)
            problems.append(
                Problem(
                    steps[circle[0]].mark,
                    f"the steps wait for each other: {' → '.join(circle)}",
                    "remove one of these depends_on",
                    path,
                )
            )
            return None
        chosen = min(ready, key=lambda name: (rank[steps[name].kind], position[name]))
        del waiting[chosen]
        for needs in waiting.values():
            needs.discard(chosen)
        order.append(steps[chosen])
    return order


def _circle(waiting: Mapping[str, set[str]]) -> list[str]:
    seen: list[str] = []
    name = min(waiting)
    while name not in seen:
        seen.append(name)
        name = min(waiting[name])
    return [*seen[seen.index(name) :], name]
