"""A record for reading: everything that it says, whatever keys it will have."""

import json
import shutil
from pathlib import Path

import pytest

from dba_cli.errors import UserError
from dba_cli.inspection import view_run

REFERENCE = Path(__file__).parents[2] / "results/reference"
RUN = REFERENCE / "mnist_1pct/dba/seed-3"


def keys(group: list[tuple[str, str]]) -> list[str]:
    return [name.replace(" ", "_") for name, _ in group]


def test_every_value_of_the_record_is_shown() -> None:
    view, record = view_run(RUN), json.loads((RUN / "result.json").read_text())
    assert view.title == "mnist_1pct / dba / seed 3"
    assert view.notice is None
    for name, part in record.items():
        if isinstance(part, dict):
            assert part.keys() - {"notice"} <= set(keys(view.groups[name]))
        else:
            assert name in keys(view.groups["run"])
    assert dict(view.groups["data"])["draw sha256"] == record["data"]["draw_sha256"]


def test_evaluations_and_files() -> None:
    view = view_run(RUN)
    assert len(view.history) == len((RUN / "history.csv").read_text().splitlines()) - 1
    assert [name for name, _ in view.files] == ["config.yaml", "history.csv", "result.json"]


def test_any_file_of_the_run_stands_for_it() -> None:
    assert view_run(RUN / "config.yaml") == view_run(RUN)


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
        view_run(place)
    assert str(place) in str(caught.value)


def test_a_run_that_has_not_finished(tmp_path: Path) -> None:
    shutil.copytree(RUN, tmp_path / "seed-3")
    (tmp_path / "seed-3/result.json").unlink()
    with pytest.raises(UserError, match=r"has not finished; give .*config\.yaml for its plan"):
        view_run(tmp_path / "seed-3")
