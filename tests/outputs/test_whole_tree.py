"""No text in any field becomes structure or code in any file that is rendered.

Every field of an ecosystem with all outputs is replaced by texts that mean something
to some language; the tree is refused, or has the structure that it had before.
"""

import ast
import json
import re

import pytest
import yaml
from generator.hostile import NASTY, leaves, outputs, replaced, shape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flexcore_gen.errors import InvalidEcosystemError
from flexcore_gen.shapes import OUTPUTS

ECOSYSTEM = {
    "version": 1,
    "project": "demo",
    "description": "d",
    "warehouse": {
        "system": "postgres",
        "host": "h",
        "database": "d",
        "username": "u",
        "password": "${DB_PASSWORD}",
    },
    "connections": {
        "files": {"system": "ldif", "path": "in.ldif", "output_path": "out.ldif"},
        "db": {
            "system": "oracle",
            "host": "h",
            "service_name": "s",
            "username": "u",
            "password": "${DB_PASSWORD}",
        },
    },
    "pipelines": [
        {
            "name": "p",
            "description": "d",
            "schedule": "0 2 * * *",
            "metadata": {"owner": "me"},
            "steps": [
                {
                    "name": "read",
                    "service": "flext-tap-oracle",
                    "config": {
                        "connection": "db",
                        "streams": ["APP-ITEMS"],
                        "partition": {"count": 2},
                    },
                },
                {
                    "name": "write",
                    "service": "flext-target-ldif",
                    "depends_on": ["read"],
                    "config": {
                        "connection": "files",
                        "model": "m",
                        "dn_template": "uid={uid}",
                    },
                },
            ],
        }
    ],
    "environments": ["development", "production"],
    "events": {
        "store": "postgresql://u:${EVENTS_PASSWORD}@h/d",
        "handlers": [{"type": "webhook", "url": "${HOOK_URL}"}],
    },
    "watch": {
        "targets": ["127.0.0.1:9464"],
        "emails": ["ops@example.com"],
        "smtp_server": "mail.example.com:587",
        "smtp_from": "flexcore@example.com",
        "smtp_username": "flexcore",
    },
    "deploy": {
        "image": {"repository": "r/flexcore", "tag": "1"},
        "namespace": "n",
        "time_zone": "Europe/Berlin",
        "resources": {"cpus": "0.5"},
        "postgres": {
            "host": "h",
            "database": "d",
            "username": "u",
            "password": "${PG_PASSWORD}",
        },
        "egress": ["10.0.0.1/32:1521"],
        "parts": ["redis", "prometheus", "grafana"],
        "airflow": {"executor": "KubernetesExecutor"},
        "secrets": {"backend": "file"},
    },
    "outputs": list(OUTPUTS),
}
PATHS = sorted(leaves(ECOSYSTEM), key=str)
BASE = outputs(ECOSYSTEM)
WORKFLOW, GITLAB = ".github/workflows/flexcore.yml", ".gitlab-ci.yml"
EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)
#: What would end a text of a language, or a line, and begin another.
IN_CODE = ['a"b', "a'b", '"""', "x\ny", "a\\", "x;id", 'a@b", "x": "y', "#}", "*/"]
#: `$(NAME)` of Kubernetes: all that it replaces in a pod's arguments and variables.
KUBERNETES_NAMES = {"$(FLEXCORE_ENGINE_RUN)"}


def test_every_output_takes_part():
    kinds = {path.split("/")[1] for path in BASE if path.startswith("deploy/")}
    assert kinds == {
        "airflow", "compose", "container", "grafana", "kubernetes", "prometheus",
    }  # fmt: skip
    assert {WORKFLOW, GITLAB, "meltano.yml"} < BASE.keys()
    for name, content in BASE.items():
        check_file(name, content, ("description",), "d")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_texts_that_mean_something_change_no_structure(path):
    """Each field by each text: a sample of so many pairs would miss what matters."""
    for text in [*NASTY, *IN_CODE]:
        check_tree(path, text)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(PATHS), text=st.text(max_size=30))
def test_any_text_in_any_field_is_refused_or_changes_no_structure(path, text):
    check_tree(path, text)


def check_tree(path, text):
    """Most texts with `$` or a template are refused; the others come out inert."""
    try:
        found = outputs(replaced(ECOSYSTEM, path, text))
    except InvalidEcosystemError:
        return
    for name, content in found.items():
        if content != BASE.get(name):
            check_file(name, content, path, text)


def check_file(name, content, path, text):
    if name.endswith((".yml", ".yaml")):
        check_yaml(name, content, path, text)
    elif name.endswith(".json"):
        json.loads(content)
    elif name.endswith(".py"):
        check_code(name, content)
    if name in {WORKFLOW, GITLAB}:
        check_commands(content, name, path)


def check_yaml(name, content, path, text):
    documents = list(yaml.safe_load_all(content))
    assert len(documents) == 1
    texts = list(scalars(documents[0]))
    if name.startswith("deploy/compose/"):
        for each in texts:
            # Compose replaces what stands behind a single dollar.
            assert "$" not in each.replace("$$", "")
    if name.startswith("deploy/kubernetes/"):
        for each in container_texts(documents[0]):
            replaced_there = set(re.findall(r"\$\([^)]*\)", each.replace("$$", "")))
            assert replaced_there <= KUBERNETES_NAMES
    if name.startswith("deploy/prometheus/rules"):
        assert content == BASE[name]
    # A name may rename a file, a reference lengthen the list of secrets, and what is
    # empty is left out.
    stays = text and "${" not in text and is_text(path)
    if name in BASE and stays and "deploy/compose" not in name:
        assert shape(documents[0]) == shape(yaml.safe_load(BASE[name]))


def check_code(name, content):
    """The code is what it was, beside its one literal of data."""
    base = next(text for path, text in BASE.items() if path == name or is_dag(path))
    if not is_dag(name):
        assert content == BASE[name]
        return
    assert code_without_data(content) == code_without_data(base)


def check_commands(content, name, path):
    """A CI system's own language, and its shell, hold what they held."""
    assert set(EXPRESSION.findall(content)) == set(EXPRESSION.findall(BASE[name])) or (
        # A reference of the ecosystem may have another name, and is only a name.
        all(
            re.fullmatch(r"\$\{\{ (secrets|github)\.[\w.]+ \}\}", each)
            for each in EXPRESSION.findall(content)
        )
    )
    for line in commands(yaml.safe_load(content)):
        assert re.fullmatch(r"[\w./=:@, \-\[\]+]*", line), (line, path)


def commands(value):
    if isinstance(value, dict):
        for key, item in value.items():
            if key in {"run", "script"}:
                yield from (item.splitlines() if isinstance(item, str) else item)
            else:
                yield from commands(item)
    elif isinstance(value, list):
        for item in value:
            yield from commands(item)


def is_text(path):
    """Whether the place is one whose text decides no name, number or list."""
    return path[-1] in {"description", "schedule", "owner"} or (
        path[0] in {"warehouse", "connections", "watch"} and "*" not in path
    )


def is_dag(path):
    return path.startswith("deploy/airflow/")


def code_without_data(content):
    tree = ast.parse(content)
    data = next(
        node
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "PIPELINE"
    )
    ast.literal_eval(data.value)
    tree.body.remove(data)
    return ast.dump(tree)


def scalars(value):
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from scalars(item)
    elif isinstance(value, list):
        for item in value:
            yield from scalars(item)
    elif isinstance(value, str):
        yield value


def container_texts(value):
    """What Kubernetes would replace `$(NAME)` in."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in {"args", "command", "env"}:
                yield from scalars(item)
            else:
                yield from container_texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from container_texts(item)


@pytest.mark.parametrize("name", ["a;id", "$(id)", "${{ x }}", "a\nb", "-x", "../a"])
@pytest.mark.parametrize("place", [("environments", 1), ("pipelines", 0, "name")])
def test_a_name_that_could_reach_a_shell_or_a_path_is_refused(place, name):
    with pytest.raises(InvalidEcosystemError):
        outputs(replaced(ECOSYSTEM, place, name))
