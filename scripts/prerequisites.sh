#!/bin/sh
# Finds a Python 3.11 or 3.12 and a JDK 17 or newer; prints the Python's path. One line on stderr for each that is missing.
set -u
missing=0

say() {
    echo "dietz: $1" >&2
    missing=1
}

python=
seen=
for candidate in ${PYTHON:-} python3.12 python3.11 python3 python; do
    path=$(command -v "$candidate" 2>/dev/null) || continue
    # A shim may be on the path without a Python behind it, so ask it.
    version=$("$path" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    case $version in
        3.11 | 3.12)
            python=$("$path" -c 'import sys; print(sys.executable)')
            break
            ;;
        *) seen="${seen:+$seen, }$version" ;;
    esac
done
if [ -z "$python" ]; then
    say "Python 3.11 or 3.12 is needed (found: ${seen:-none}); on Debian 12: apt-get install python3 python3-venv"
fi

java=java
if [ -n "${JAVA_HOME:-}" ]; then
    java=$JAVA_HOME/bin/java
fi
debian="on Debian 12: apt-get install openjdk-17-jdk-headless (Debian 13: openjdk-21-jdk-headless)"
if ! version=$("$java" -version 2>&1); then
    say "a JDK 17 or 21 is needed (found: none${JAVA_HOME:+ in JAVA_HOME=$JAVA_HOME}); $debian"
else
    version=$(echo "$version" | sed -n 's/.* version "\([^"]*\)".*/\1/p' | head -n 1)
    major=${version%%.*}
    if ! [ "${major:-0}" -ge 17 ] 2>/dev/null; then
        say "a JDK 17 or 21 is needed (found: ${version:-an unknown version}); $debian"
    elif ! "$java" --list-modules 2>/dev/null | grep -q '^jdk\.incubator\.vector'; then
        say "a full JDK 17 or 21 is needed (found: a trimmed runtime $version without jdk.incubator.vector); $debian"
    fi
fi

[ "$missing" -eq 0 ] || exit 1
echo "$python"
