#!/bin/sh
# Makes .venv with a Python >= 3.12 and installs the package with its development tools. Run by make, from the repository.
set -eu

lowest=3.12
environment=.venv
stamp=$environment/.installed

suits() {
    "$@" -c 'import sys; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1
}

find_python() {
    for candidate in python3 python3.14 python3.13 python3.12; do
        if suits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    # pyenv refuses python3 here when the version in .python-version is not installed, though another may do.
    if command -v pyenv >/dev/null 2>&1; then
        for version in $(pyenv versions --bare 2>/dev/null); do
            if suits env PYENV_VERSION="$version" python3; then
                env PYENV_VERSION="$version" python3 -c 'import sys; print(sys.executable)'
                return
            fi
        done
    fi
}

rm -f "$stamp"
if ! suits "$environment/bin/python"; then
    python=$(find_python)
    if [ -z "$python" ]; then
        found=$(python3 --version 2>/dev/null || echo "no working python3")
        echo "lsm-bayes needs Python >= $lowest as python3; found: $found. Install a newer Python and run make again." >&2
        exit 1
    fi
    rm -rf "$environment"
    if ! "$python" -m venv "$environment"; then
        rm -rf "$environment"
        echo "$python cannot make a virtual environment; install its venv module (Debian, Ubuntu: python3-venv) and run make again." >&2
        exit 1
    fi
fi

echo "Installing lsm-bayes and its dependencies into $environment ..."
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
touch "$stamp"
