"""Two pipelines must not build one dbt model from two places into one schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flexcore_gen.errors import Problem
from flexcore_gen.known_plugins import TRANSFORM_SYSTEMS, dbt_package
from flexcore_gen.resources import dbt_package_models

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flexcore_gen.model import Ecosystem
    from flexcore_gen.tasks import PipelinePlan


def check_models(
    ecosystem: Ecosystem, plans: Iterable[PipelinePlan], problems: list[Problem]
) -> None:
    """Adds a problem for each pipeline that would overwrite an earlier one's model."""
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    usual = ecosystem.warehouse.model_schema
    for plan in plans:
        for task in plan.tasks:
            schema = str(task.variables.get("flexcore_schema", usual))
            origin = ", ".join(
                str(value)
                for key, value in task.variables.items()
                if key.endswith("_schema") and key != "flexcore_schema"
            )
            for model in dict.fromkeys(map(_model_group, task.select)):
                first = seen.setdefault((model, schema), (origin, plan.pipeline.name))
                if first[0] == origin:
                    continue
                step = plan.pipeline.step(task.steps[0])
                problems.append(
                    Problem(
                        step.mark,
                        f'pipelines "{first[1]}" and "{plan.pipeline.name}" build '
                        f"{model} from {first[0]} and from {origin} into schema "
                        f'"{schema}", and would overwrite each other',
                        "give one of them its own: add `schema:` to the transform's "
                        "config",
                        f"pipelines.{plan.pipeline.name}.{step.name}",
                    )
                )


def _model_group(selected: str) -> str:
    """A selected model, or the package that it belongs to."""
    model = selected.removeprefix("+")
    for system in TRANSFORM_SYSTEMS:
        prefix = system.replace("-", "_")
        if model in dbt_package_models(system) or model.startswith(
            (f"{prefix}__", f"stg_{prefix}__", f"int_{prefix}__")
        ):
            return dbt_package(system)
    return model.removeprefix("package:")
