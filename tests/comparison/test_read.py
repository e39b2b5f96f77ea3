import re
import shutil

import pytest

from dba_cli.comparison import compare
from dba_cli.errors import UserError


def refusal(results, names=None):
    """Return the one line that answers bad input."""
    with pytest.raises(UserError) as caught:
        compare(results.root, names)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_no_results_folder_says_how_to_make_some(results):
    assert "dba run mnist_1pct" in refusal(results)


@pytest.mark.parametrize("kind", ["empty folder", "file"])
def test_nothing_recorded(results, kind):
    results.root.mkdir() if kind == "empty folder" else results.root.write_text("")
    assert "no recorded experiments" in refusal(results, ["exp"])


def test_unknown_experiment_names_the_nearest(results):
    results.plan(name="mnist_1pct")
    assert "no experiment 'mnist_1pc'" in refusal(results, ["mnist_1pc"])
    assert "did you mean 'mnist_1pct'?" in refusal(results, ["mnist_1pc"])


@pytest.mark.parametrize(
    ("run", "place"),
    [
        ("exp/adam/seed-0", "exp/sgd/seed-0"),
        ("exp/sgd/seed-0", "exp/sgd/seed-1"),
        ("other/sgd/seed-0", "exp/sgd/seed-0"),
    ],
)
def test_misplaced_run(results, run, place):
    results.plan()
    results.plan(name="other")
    experiment, optimizer, _ = run.split("/")
    results.run(optimizer, 0, 100, experiment=experiment)
    shutil.move(results.root / run, results.root / place)
    assert f"misplaced record: it is of {run}" in refusal(results)


def test_renamed_experiment_folder(results):
    results.plan(name="old", folder="new")
    assert "misplaced record: it is of experiment 'old'" in refusal(results)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ((r"(?s).{20}\Z", ""), ""),
        (('"status":"finished"', '"status":"diverged"'), "status is 'diverged' but final is present"),
        (('"test_errors":100', '"test_errors":102'), "final.test_errors is 102"),
        (('"n_test":10000', '"n_test":0'), "100 of 0 test images"),
        (('"n_test":10000', '"n_test":99'), "100 of 99 test images"),
        ((r'"final":\{.*\},"div', '"final":null,"div'), "status is 'finished' but final is absent"),
    ],
)
def test_record_that_is_cut_off_or_contradicts_itself(results, edit, says):
    results.plan()
    results.run("sgd", 0, 100)
    path = results.root / "exp/sgd/seed-0/result.json"
    path.write_text(re.sub(*edit, path.read_text()))
    message = refusal(results)
    assert "result.json: damaged record" in message
    assert says in message


def test_folders_that_are_no_runs_are_left_alone(results):
    results.plan(["sgd"], [0])
    results.run("sgd", 0, 100)
    shutil.copytree(results.root / "exp/sgd/seed-0", results.root / "exp/sgd/seed-0.bak")
    (results.root / "exp/sgd/seed-1").mkdir()
    assert compare(results.root).sections[0].rows[0].finished == (0,)


def test_experiments_by_name_or_in_the_order_given_once_each(results):
    for name in ("b", "a", "c"):
        results.plan(name=name)
    assert [section.experiment for section in compare(results.root).sections] == ["a", "b", "c"]
    chosen = compare(results.root, ["c", "a", "c"])
    assert [section.experiment for section in chosen.sections] == ["c", "a"]


def test_only_the_named_experiments_are_read(results):
    results.plan(name="good")
    results.plan(name="bad")
    (results.root / "bad/experiment.json").write_text("{")
    assert len(compare(results.root, ["good"]).sections) == 1
    assert "damaged record" in refusal(results)
