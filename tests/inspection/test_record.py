"""A record for reading: everything that it says, whatever keys it will have."""

import json
import shutil
from pathlib import Path

import pytest

from dba_cli.errors import UserError
from dba_cli.inspection import run_table
from dba_cli.records import RunFolder

from .screen import lines

REFERENCE = Path(__file__).parents[2] / "results/reference"
RUN = REFERENCE / "mnist_1pct/dba/seed-3"


def test_every_value_of_the_record_is_shown() -> None:
    shown, record = lines(run_table(RUN)), json.loads((RUN / "result.json").read_text())
    assert shown[0] == "mnist_1pct / dba / seed 3"
    record["config"] = RunFolder(RUN).read().settings  # by dotted key; the rest of it stands above
    for name, part in record.items():
        keys = part.keys() - {"notice"} if isinstance(part, dict) else [name]
        for key in keys:
            assert any(line.startswith(key.replace("_", " ")) for line in shown), f"{name}: {key}"
    assert f"draw sha256 {record['data']['draw_sha256']}" in shown


def test_evaluations_and_files() -> None:
    shown = lines(run_table(RUN))
    assert f"history ({len((RUN / 'history.csv').read_text().splitlines()) - 1} evaluations)" in shown
    files = shown[shown.index("files") + 1 :]
    assert [line.split()[0] for line in files] == ["config.yaml", "history.csv", "result.json"]
    assert lines(run_table(RUN / "config.yaml")) == shown  # any file of the run stands for it


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (REFERENCE / "mnist_1pct", "is no single run; give one of its 15"),
        (REFERENCE / "mnist_1pct/dba", "is no single run; give one of its 5"),
        (REFERENCE, "no run lies here"),
        (REFERENCE / "nowhere", "no such folder or file"),
    ],
)
def test_what_is_no_run(place: Path, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        run_table(place)
    assert str(place) in str(caught.value)


def test_a_run_that_has_not_finished(tmp_path: Path) -> None:
    shutil.copytree(RUN, tmp_path / "seed-3")
    (tmp_path / "seed-3/result.json").unlink()
    with pytest.raises(UserError, match=r"has not finished; give .*config\.yaml for its plan"):
        run_table(tmp_path / "seed-3")
