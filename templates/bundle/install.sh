#!/bin/sh
# Installs this bundle where there is no network: sh install.sh [FOLDER]
# FOLDER (default: project, beside this file) becomes the project, with its .venv.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-$here/project}

(cd "$here" && sha256sum --check --quiet SHA256SUMS) || {
  echo "install.sh: error: the bundle is damaged; copy it again" >&2
  exit 1
}
if [ "$target" != "$here/project" ]; then
  mkdir -p "$target"
  cp -R "$here/project/." "$target"
fi
cd "$target"
python3 -m venv .venv || {
  echo "install.sh: error: python3 cannot make a virtual environment" >&2
  echo "  fix: on Debian, apt-get install python3-venv" >&2
  exit 1
}
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-index \
  --no-deps --require-hashes --find-links "$here/wheels" -r "$here/requirements.txt"
.venv/bin/flexcore-gen generate
echo "installed in $target; next: . .venv/bin/activate; meltano run <pipeline>"
