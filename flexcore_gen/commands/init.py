"""`flexcore-gen init`: a working environment with a sample pipeline."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from flexcore_gen import report
from flexcore_gen.errors import FlexCoreError, suggest
from flexcore_gen.project import compare_project, write_project
from flexcore_gen.scaffold import check_empty, new_folder, render_scaffold
from flexcore_gen.shapes import (
    DEPLOYED_OUTPUTS,
    NAME_MAX,
    NAME_PATTERN,
    OUTPUTS,
    PARALLEL_OUTPUTS,
)

_TEMPLATE = "new_environment"
_WAREHOUSES = ("duckdb", "postgres")
_CONNECTIONS = ("oracle", "ldap", "oracle-wms", "oracle-oic")
_OVERLAY = """\
# What is different in {name}. Secrets are only named here: ${{NAME}}.
connections:
  directory-export:
    path: incoming/*.ldif
"""
_POSTGRES = """\
warehouse:
  system: postgres
  host: warehouse.example.com
  database: warehouse
  username: ${WAREHOUSE_USERNAME}
  password: ${WAREHOUSE_PASSWORD}
"""
#: Pods keep nothing, so these have no defaults.
_KUBERNETES = """\
events:
  store: postgresql://flexcore:${EVENTS_PASSWORD}@events.example.com/flexcore
deploy:
  image: {repository: registry.example.com/flexcore, tag: "1"}
  postgres: {host: state.example.com, password: "${STATE_PASSWORD}"}
  # Each CIDR:port that pods may reach: databases, directories, the stores above.
  egress: ["10.0.0.10/32:5432"]
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """What decides the files of a new environment."""

    project: str
    environments: tuple[str, ...] = ("development", "production")
    warehouse: str = "duckdb"
    connections: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ("meltano", "dbt")

    @property
    def deployed_by(self) -> tuple[str, ...]:
        """The outputs of the environments that are not this machine."""
        return tuple(name for name in self.outputs if name in DEPLOYED_OUTPUTS)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--project", help="The project's name; else the folder's.")
@click.option(
    "--environment",
    "environments",
    multiple=True,
    help="An environment; the first runs on this machine. May be repeated.",
)
@click.option(
    "--warehouse",
    type=click.Choice(_WAREHOUSES),
    help="Where the other environments land; the first has DuckDB.",
)
@click.option(
    "--connect",
    "connections",
    multiple=True,
    type=click.Choice(_CONNECTIONS),
    help="A system to connect, to be filled in. May be repeated.",
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    type=click.Choice([name for name in OUTPUTS if name not in Answers("").outputs]),
    help="What to render beside meltano and dbt. May be repeated.",
)
@click.option("--ask/--no-ask", default=None, help="Ask for what no option gives.")
def init(
    folder: Path,
    *,
    project: str | None,
    environments: tuple[str, ...],
    warehouse: str | None,
    connections: tuple[str, ...],
    outputs: tuple[str, ...],
    ask: bool | None,
) -> int:
    """Make a working environment with a sample pipeline in FOLDER.

    The folder must be new or empty (a .git may be there). What stands in it
    afterwards runs: `meltano run people-directory`. At a terminal, and without
    options, a few questions are asked.
    """
    root = folder.absolute()
    check_empty(root, folder)
    usual = Answers(project or _project_name(root.name))
    given = any([project, environments, warehouse, connections, outputs])
    if ask if ask is not None else not given and sys.stdin.isatty():
        answers = _ask(usual)
    else:
        answers = Answers(
            usual.project,
            environments or usual.environments,
            warehouse or usual.warehouse,
            tuple(dict.fromkeys(connections)),
            tuple(dict.fromkeys(usual.outputs + outputs)),
        )
    _check_names(answers)
    _check_deployment(answers)
    values: dict[str, object] = {
        **asdict(answers),
        "scheduled": bool({"compose", "kubernetes"} & set(answers.outputs)),
    }
    if len(answers.environments) > 1:
        # How the others are deployed stands in their overlays.
        values["outputs"] = [
            name for name in answers.outputs if name not in answers.deployed_by
        ]
    with new_folder(root) as stage:
        render_scaffold(_TEMPLATE, stage, values)
        _write_overlays(stage, answers)
        write_project(compare_project(stage))
    for path in sorted(_files(root)):
        report.answer(f"create   {path}")
    report.say(
        f"next: cd {shlex.quote(str(folder))}; meltano run people-directory"
        if folder != Path()
        else "next: meltano run people-directory"
    )
    return 0


def _project_name(folder: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")
    return name[:NAME_MAX].strip("-")


def _ask(usual: Answers) -> Answers:
    def several(text: str, default: tuple[str, ...]) -> tuple[str, ...]:
        said = click.prompt(text, default=",".join(default), err=True)
        return tuple(word.strip() for word in said.split(",") if word.strip())

    project = click.prompt("Name of the project", default=usual.project, err=True)
    environments = several(
        "Environments (the first runs on this machine)", usual.environments
    )
    warehouse = click.prompt(
        "Warehouse of the other environments",
        type=click.Choice(_WAREHOUSES),
        default=usual.warehouse,
        err=True,
    )
    connections = several(
        f"Systems to connect ({', '.join(_CONNECTIONS)}; - for none)", ("-",)
    )
    more = ", ".join(name for name in OUTPUTS if name not in usual.outputs)
    outputs = several(f"Outputs (also {more})", usual.outputs)
    return Answers(
        project,
        environments,
        warehouse,
        tuple(name for name in connections if name != "-"),
        outputs,
    )


def _check_names(answers: Answers) -> None:
    for name in (answers.project, *answers.environments):
        if not re.match(NAME_PATTERN, name) or len(name) > NAME_MAX:
            raise FlexCoreError(
                f'"{name}" cannot be the name of a project or environment',
                fix="use lower-case letters and digits joined by single hyphens: "
                "`flexcore-gen init --project my-data`",
            )
    twice = [e for e in answers.environments if answers.environments.count(e) > 1]
    if twice:
        raise FlexCoreError(
            f'the environment "{twice[0]}" is named twice', fix="name each once"
        )
    for names, known in (
        (answers.connections, _CONNECTIONS),
        (answers.outputs, OUTPUTS),
    ):
        for name in names:
            if name not in known:
                raise FlexCoreError(f'"{name}" is not known', fix=suggest(name, known))


def _check_deployment(answers: Answers) -> None:
    engines = [name for name in PARALLEL_OUTPUTS if name in answers.outputs]
    if not engines:
        return
    if len(answers.environments) == 1:
        raise FlexCoreError(
            f"{engines[0]} deploys another environment than this machine's",
            fix="name two: `--environment development --environment production`",
        )
    if answers.warehouse == "duckdb":
        raise FlexCoreError(
            f"{engines[0]} runs steps side by side, and DuckDB lets one process open "
            "its file",
            fix="add `--warehouse postgres`",
        )


def _write_overlays(root: Path, answers: Answers) -> None:
    for name in answers.environments[1:]:
        text = _OVERLAY.format(name=name)
        if answers.warehouse == "postgres":
            text += _POSTGRES
        if answers.deployed_by:
            text += f"outputs: [{', '.join(answers.deployed_by)}]\n"
        if "kubernetes" in answers.deployed_by:
            text += _KUBERNETES
        path = root / "config" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _files(root: Path) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file()
        and not {".git", "locks", "dbt_packages"} & set(path.relative_to(root).parts)
    }
