"""Training side by side is training one after the other, seen while it goes on."""

from pathlib import Path

import pytest
import torch
from rich.console import Console

from dba_cli.config import Config
from dba_cli.demo import Progress, demo_config, train_side_by_side
from dba_cli.errors import UserError
from dba_cli.experiments import Images, PlannedRun, Reporter, Settings, run_experiments
from dba_cli.plots import refused
from dba_cli.records import Evaluation, ExperimentFolder, locked
from dba_cli.training import Observer


def short(steps: int = 6) -> Config:
    config = demo_config(steps)
    return config.model_copy(update={"seeds": [0, 1]})


def progress_of(config: Config) -> Progress:
    return Progress("a title", [entry.name for entry in config.optimizers], len(config.seeds))


def outcomes(results: Path, config: Config) -> dict[str, tuple[object, str]]:
    folder = ExperimentFolder(results / config.experiment.name)
    found = {}
    for run in folder.runs():
        record = run.read()
        assert record is not None
        curve = [(point.step, point.test_accuracy, point.fractions) for point in run.history()]
        final = record.final and record.final.model_copy(update={"seconds": 0})
        found[f"{record.optimizer} {record.seed}"] = (final, str(curve))
    return found


def test_the_records_are_those_of_one_run_after_the_other(tmp_path: Path) -> None:
    config = short()
    train_side_by_side(config, tmp_path / "together", Reporter())
    settings = Settings(tmp_path, tmp_path / "alone", torch.device("cpu"), jobs=1)
    run_experiments([config], settings, Reporter())
    together = outcomes(tmp_path / "together", config)
    assert len(together) == 6
    assert together == outcomes(tmp_path / "alone", config)


def test_the_optimizers_advance_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, seen = short(8), []

    class Seen(Observer):
        def __init__(self, run: PlannedRun) -> None:
            self.run = run

        def evaluated(self, evaluation: Evaluation) -> None:
            seen.append((self.run.seed, evaluation.step, self.run.optimizer))

    reporter = Reporter()
    monkeypatch.setattr(reporter, "started", Seen)
    threads = torch.get_num_threads()
    train_side_by_side(config, tmp_path, reporter)
    assert torch.get_num_threads() == threads
    first_seed = [(step, name) for seed, step, name in seen if seed == 0 and step > 0]
    names = [entry.name for entry in config.optimizers]
    assert first_seed == [(step, name) for step in range(1, 9) for name in names]


def test_an_interruption_ends_it(tmp_path: Path) -> None:
    config, ticks = short(1000), iter(range(100))

    def refresh() -> None:
        if next(ticks) == 2:
            raise KeyboardInterrupt

    progress = progress_of(config)
    progress.refresh = refresh
    with pytest.raises(KeyboardInterrupt):
        train_side_by_side(config, tmp_path, progress)
    assert not list(tmp_path.rglob("result.json"))


def test_a_demo_in_another_process_is_not_disturbed(tmp_path: Path) -> None:
    config = short()
    adam = tmp_path / config.experiment.name / "adam" / "seed-0"
    with locked(adam), pytest.raises(UserError, match="adam/seed-0: another process trains here"):
        train_side_by_side(config, tmp_path, Reporter())


def rendered(progress: Progress, width: int) -> str:
    console = Console(width=width, height=40, color_system=None)
    with console.capture() as capture:
        console.print(progress)
    return capture.get()


@pytest.mark.parametrize("width", [44, 80, 120])
def test_the_view_shows_every_optimizer_and_what_is_kept(tmp_path: Path, width: int) -> None:
    config = short()
    progress = progress_of(config)
    before = rendered(progress, width)
    assert before.count("waits") == 3
    train_side_by_side(config, tmp_path, progress)
    after = rendered(progress, width)
    for name in ("SGD", "Adam", "DBA", "hidden1", "output", "kept of a batch"):
        assert name in after
    assert max(map(len, after.splitlines())) <= width
    final = progress.curves["dba"].rows[-1]
    assert f"{final.test_accuracy:.1%}" in after
    assert f"{final.fractions['hidden1']:.0%}" in after


def test_another_number_of_steps_is_another_experiment() -> None:
    assert demo_config().experiment.name == demo_config(600).experiment.name == "demo"
    assert demo_config(80).experiment.name == "demo_80_steps"
    assert demo_config(80).training.evaluation.steps == 2


def test_four_in_ten_labels_are_wrong_and_dba_leaves_them_out(tmp_path: Path) -> None:
    """In little: by then DBA has left out most of the wrong labels, and few of the right ones."""
    config = demo_config(120).model_copy(update={"seeds": [0]})
    train_side_by_side(config, tmp_path, Reporter())
    run = ExperimentFolder(tmp_path / config.experiment.name).run("dba", 0)
    found = refused(run, Images(tmp_path))
    assert found is not None
    assert found.wrong.sum() == 240
    assert (found.left_out & found.wrong).sum() > 0.8 * 240
    assert (found.left_out & ~found.wrong).sum() < 0.25 * 360
    assert found.sentence.startswith(f"{(found.left_out & found.wrong).sum()} of 240 wrong labels")
