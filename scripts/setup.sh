#!/bin/sh
# Makes .venv from the lock: interpreter, packages, dietz itself, Delta's jars. Called by `make setup` when something changed.
set -eu
cd "$(dirname "$0")/.."
python=$1

if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then
    uv=uv
else
    uv=.venv-uv/bin/uv
    if ! [ -x "$uv" ]; then
        echo "setup: uv, into .venv-uv"
        if ! "$python" -m venv .venv-uv >/dev/null 2>&1; then
            rm -rf .venv-uv
            echo "dietz: $python cannot make virtual environments; on Debian: apt-get install python3-venv" >&2
            exit 1
        fi
        .venv-uv/bin/python -m pip install --quiet --disable-pip-version-check uv
    fi
fi

export VIRTUAL_ENV="$PWD/.venv"
[ -x .venv/bin/python ] || "$uv" venv --quiet --python "$python" .venv
echo "setup: packages of requirements/lock.txt, into .venv"
"$uv" pip sync --quiet --require-hashes requirements/lock.txt
# Without build isolation: the build back-end is in the lock like everything else.
"$uv" pip install --quiet --no-deps --no-build-isolation --editable .
.venv/bin/python scripts/fetch_jars.py
.venv/bin/python scripts/archive_classes.py 2>/dev/null
