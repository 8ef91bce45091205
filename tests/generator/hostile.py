"""Texts that mean something to some language, put into any place of an ecosystem."""

import json
from pathlib import Path

from hypothesis import strategies as st

from flexcore_gen.ecosystem import read_ecosystem
from flexcore_gen.errors import InvalidEcosystemError
from flexcore_gen.known_plugins import known_plugins
from flexcore_gen.loading import load_bytes
from flexcore_gen.plan import plan_files, plan_project
from flexcore_gen.render import render
from flexcore_gen.seed_forms import normalise
from flexcore_gen.sources import Sources

#: Everything that means something to YAML, Meltano, Jinja, a shell, SQL or a path.
NASTY = [
    "no", "1e3", "~", "null", ": x", "a: b", "# x", "- x", "'", '"', "`id`",
    "\n- injected: true\n", "\r\n", "\u2028", "\u0085", "\x00",
    "\x1b[31m", "!!python/x", "*x", "&x", "{{ 7*7 }}", "{% x %}", "{# x #}", "[= x =]",
    "[% x %]", "${X}", "$X",
    "$(id)", "$$", "$", "; rm -rf /", "|| true", "../../etc/passwd", "/etc/passwd",
    "a\\b", "%s", "' OR 1=1 --", "\ufeff", "\U0001f600", "e\u0301", "x" * 300,
    "{a: b}", "[a]", "? x", "=", "<<", "@daily", "%x",
]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(NASTY), st.text(max_size=30))


def leaves(value, path=()):
    """The paths of all scalars, and of all mapping keys (ending in a `*`)."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key, "*")
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


def replaced(value, path, text):
    """The document with the scalar or key at a path replaced."""
    head, *rest = path
    if rest == ["*"]:
        return {text if key == head else key: item for key, item in value.items()}
    if isinstance(value, dict):
        return {
            key: (replaced(item, rest, text) if rest else text) if key == head else item
            for key, item in value.items()
        }
    copy = list(value)
    copy[head] = replaced(copy[head], rest, text) if rest else text
    return copy


def outputs(document):
    """Path to text of everything rendered; raises InvalidEcosystemError."""
    problems = []
    raw = json.dumps(document).encode()
    value = load_bytes(raw, "ecosystem.yaml", problems)
    if value is None:
        raise InvalidEcosystemError(problems)
    part = normalise(value, Path("ecosystem.yaml"), problems)
    sources = Sources(Path(), part.main, "ecosystem.yaml", part.pipelines)
    project = plan_project(read_ecosystem(sources, known_plugins(), problems))
    return {
        file.path: render(file, "ecosystem.yaml").content.decode()
        for file in plan_files(project)
        if file.copy_of is None
    }


def shape(value):
    """The structure of plain data: keys and kinds, without the texts."""
    if isinstance(value, dict):
        return (
            {str(type(key)): None for key in value}
            | {"n": len(value)}
            | {f"v{n}": shape(item) for n, item in enumerate(value.values())}
        )
    if isinstance(value, list):
        return [shape(item) for item in value]
    return None
