#!/usr/bin/env bash
# Uses the wheel in $1 as a person does who has nothing else: from an empty folder, in an environment of its own.
# PyTorch and the other dependencies are those of the environment whose Python is $2.
set -euo pipefail
wheel=$(cd "$1" && echo "$PWD"/dba_cli-*.whl)
python=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
room=$(cd "$(mktemp -d)" && pwd -P)
trap 'rm -rf "$room"' EXIT
cd "$room"
unset PYTHONPATH

"$python" -m venv --without-pip env
site=$(env/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$site/dependencies.pth"
env/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$wheel"
env/bin/python -m pip check
found=$(env/bin/python -c 'import dba_cli; print(dba_cli.__file__)')
[ "$found" = "$site/dba_cli/__init__.py" ] || { echo "this is not the wheel: $found" >&2; exit 1; }

mkdir empty && cd empty
PATH=$room/env/bin:$PATH
export DBA_OFFLINE=1 OMP_NUM_THREADS=1
set -x
dba --version
dba configs
dba init smoke mine.yaml
dba run mine.yaml smoke --seed 0 --quiet
dba run smoke --optimizer sgd
dba compare mine --format csv
dba inspect smoke --no-time >/dev/null
dba report mine >/dev/null
dba run smoke --optimizer sgd --seed 0 --set training.save_weights=true --set experiment.name=kept --quiet
dba predict results/kept/sgd/seed-0
dba sweep smoke --grid optimizers.sgd.lr=0.05,0.1 --optimizer sgd --seed 0 --quiet
dba compare --results results/smoke_sweep --format csv
dba plot --kind points --results results/smoke_sweep --format svg
dba tune smoke --trials 2 --seed 0 --optimizer sgd --quiet
dba run results/smoke_tune/tuned.yaml --seed 1 --optimizer sgd
