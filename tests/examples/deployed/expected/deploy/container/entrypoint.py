# Written by flexcore-gen from ecosystem.yaml; do not edit. To own it, add its path to `owned` there.
"""Turns secret files into variables and becomes the command it is given.

Each file below FLEXCORE_SECRETS (default /run/secrets) becomes a variable of its name.
FLEXCORE_PARTS, a JSON list, holds words that the pod of an Indexed Job adds to its command.
"""

import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import quote

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def main() -> None:
    os.umask(0o077)
    folder = Path(os.environ.get("FLEXCORE_SECRETS", "/run/secrets"))
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not NAME.match(path.name) or not path.is_file():
            continue
        try:
            os.environ[path.name] = path.read_text(encoding="utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            sys.exit(
                f"entrypoint: error: cannot read the secret {path.name}: {reason}\n"
                f"  fix:   make {path} a text file that user {os.getuid()} may read"
            )
    place = os.environ.get("FLEXCORE_POSTGRES")
    if place:
        if "FLEXCORE_POSTGRES_PASSWORD" not in os.environ:
            sys.exit("entrypoint: error: there is no secret FLEXCORE_POSTGRES_PASSWORD")
        user, _, rest = place.partition("@")
        password = quote(os.environ["FLEXCORE_POSTGRES_PASSWORD"], safe="")
        login = f"{quote(user, safe='')}:{password}@{rest}"
        os.environ["MELTANO_DATABASE_URI"] = f"postgresql+psycopg://{login}"
    if not sys.argv[1:]:
        sys.exit("entrypoint: error: no command was given")
    command = sys.argv[1:]
    if "FLEXCORE_PARTS" in os.environ:
        index = int(os.environ["JOB_COMPLETION_INDEX"])
        command += json.loads(os.environ["FLEXCORE_PARTS"])[index]
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"entrypoint: error: cannot start {sys.argv[1]}: {error.strerror}")


main()
