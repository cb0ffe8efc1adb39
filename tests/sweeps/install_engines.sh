#!/bin/sh
# Installs what tests/sweeps/test_distributed.py needs and a plain machine lacks: PostgreSQL, SLURM and Ray.
# Debian or Ubuntu, as root; PYTHON names the environment's interpreter. The tests start and stop every daemon.
set -eu
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-.venv/bin/python}

# Packages that start services on installation shall not: the tests bring their own configuration.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends postgresql slurm-wlm munge

"$PYTHON" -m pip install -qq --constraint constraints.txt 'psycopg[binary]' ray
# The launcher caps cloudpickle at 2, which joblib no longer takes; it runs with 3. boto3 is for its AWS half alone.
"$PYTHON" -m pip install -qq --constraint constraints.txt --no-deps hydra-ray-launcher
