"""A project as one environment sees it, so that two can be compared file by file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from flexcore_gen.errors import FlexCoreError, suggest
from flexcore_gen.model import Environment

if TYPE_CHECKING:
    from flexcore_gen.model import Ecosystem, Pipeline

#: Stands for the environment's name in both trees, so that it makes no difference.
NEUTRAL = "environment"


def environment_of(ecosystem: Ecosystem, name: str) -> Environment:
    """The environment of this name.

    Raises:
        FlexCoreError: There is none.
    """
    for environment in ecosystem.environments:
        if environment.name == name:
            return environment
    names = [environment.name for environment in ecosystem.environments]
    raise FlexCoreError(
        f'no environment is called "{name}"',
        where=str(ecosystem.mark),
        fix=suggest(name, names, f"there are {', '.join(names) or 'none'}"),
    )


def as_seen_in(
    ecosystem: Ecosystem, environment: Environment, name: str = NEUTRAL
) -> Ecosystem:
    """The ecosystem with an environment's overlay laid over what it changes.

    It has that one environment, by the name that is given.
    """
    return replace(
        ecosystem,
        connections={
            name: ecosystem.connection_in(name, environment)
            for name in ecosystem.connections
        },
        warehouse=environment.warehouse or ecosystem.warehouse,
        pipelines=tuple(
            _pipeline(pipeline, environment) for pipeline in ecosystem.pipelines
        ),
        deployment=ecosystem.deployment_in(environment),
        events={**ecosystem.events, **environment.events},
        defaults=ecosystem.defaults
        if environment.defaults is None
        else environment.defaults,
        environments=(Environment(name, outputs=environment.outputs),),
        default_environment=name,
        mark=environment.mark or ecosystem.mark,
    )


def _pipeline(pipeline: Pipeline, environment: Environment) -> Pipeline:
    return replace(
        pipeline,
        steps=tuple(
            replace(
                step,
                settings={
                    **step.settings,
                    **environment.steps.get((pipeline.name, step.name), {}),
                },
            )
            for step in pipeline.steps
        ),
    )
