#!/bin/sh
# Airflow on this workspace: `scripts/airflow.sh ui` starts all of it, any other words are airflow's own command line.
# What is set in the environment already stays: another metadata database, executor or Spark connection.
set -eu
cd "$(dirname "$0")/.."
DIETZ_HOME=$(mkdir -p "${DIETZ_HOME:-var}" && cd "${DIETZ_HOME:-var}" && pwd)
export DIETZ_HOME
export AIRFLOW_HOME="${AIRFLOW_HOME:-$DIETZ_HOME/airflow}"
export AIRFLOW__CORE__DAGS_FOLDER="$PWD/dags"
export AIRFLOW__CORE__LOAD_EXAMPLES=False
export AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE="$AIRFLOW_HOME/passwords.json"
export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False
here='{"conn_type": "spark", "host": "local[*]"}' # apart: a brace within ${...:-...} would end it
export AIRFLOW_CONN_SPARK_DEFAULT="${AIRFLOW_CONN_SPARK_DEFAULT:-$here}"
export PATH="$PWD/.venv/bin:$PATH" # the operator calls spark-submit by name
mkdir -p "$AIRFLOW_HOME"

if [ "${1:-}" != ui ]; then
    exec .venv/bin/airflow "$@"
fi

port=${AIRFLOW__API__PORT:-8080}
passwords=$AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE
if ! [ -s "$passwords" ]; then
    umask 077
    .venv/bin/python -c 'import json, secrets; print(json.dumps({"admin": secrets.token_urlsafe(9)}))' >"$passwords"
fi
password=$(.venv/bin/python -c 'import json, sys; print(json.load(open(sys.argv[1]))["admin"])' "$passwords")
log=$AIRFLOW_HOME/standalone.log
echo "Airflow starts on the workspace $DIETZ_HOME (log: $log)"
.venv/bin/airflow standalone >"$log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null' EXIT INT TERM
up='import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=2)'
until .venv/bin/python -c "$up" "http://localhost:$port/api/v2/version" 2>/dev/null; do
    kill -0 "$server" 2>/dev/null || { echo "dietz: Airflow did not start; see $log" >&2; exit 1; }
    sleep 1
done
echo "Airflow: http://localhost:$port  user admin  password $password  (Ctrl-C ends it)"
wait "$server"
