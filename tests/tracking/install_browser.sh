#!/bin/sh
# Installs what tests/tracking/test_browser.py needs and a plain machine lacks: Playwright, and Chromium where there is none.
# PYTHON names the environment's interpreter. Without root, leave the system's libraries to whoever has it.
set -eu
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-.venv/bin/python}

"$PYTHON" -m pip install -qq --constraint constraints.txt --editable '.[browser]'
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ]; then
    "$PYTHON" -m playwright install --with-deps chromium
else
    "$PYTHON" -m playwright install chromium
fi
