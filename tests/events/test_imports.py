"""The hook is loaded by every `meltano` command: what it may import, and what not."""

import ast
import subprocess
import sys
from pathlib import Path

import flexcore_gen.events

FOLDER = Path(flexcore_gen.events.__file__).parent


def test_the_hook_imports_nothing_of_the_generator():
    found = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, path
                names = [node.module]
            else:
                continue
            found |= {(path.name, name) for name in names if "flexcore_gen" in name}
    assert ("recorder.py", "flexcore_gen.events.steps") in found
    arrows = {each for each in found if not each[1].startswith("flexcore_gen.events")}
    assert arrows == set()


def test_listening_takes_only_the_standard_library():
    code = (
        "import sys; before = set(sys.modules); import flexcore_gen.events.listener;"
        "print(*sorted({n.split('.')[0] for n in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert loaded - sys.stdlib_module_names == {"flexcore_gen"}
