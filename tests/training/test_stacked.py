"""Several seeds in one computation against the same seeds trained one by one."""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import nn

from dba_cli.config import AdamConfig, DBAConfig, ScheduleConfig, SGDConfig
from dba_cli.training import (
    HistoryRow,
    Learning,
    Outcome,
    SeedRun,
    Standardize,
    TensorData,
    Timeline,
    build_optimizer,
    build_scheduler,
    gradient_rule,
    mean_gradient,
    train,
    train_stacked,
)

N, BATCH, CLASSES, PIXELS, WIDTH = 23, 6, 3, 16, 7  # an epoch is four steps, the last one on five samples
TIMELINE = Timeline(steps=14, batch_size=BATCH, steps_per_epoch=4, evaluation_period=5)

SGD: Any = {"kind": "sgd", "lr": 0.2, "momentum": 0.9, "weight_decay": 0.01}
ENTRIES: dict[str, SGDConfig | AdamConfig | DBAConfig] = {
    "sgd": SGDConfig(name="sgd", **SGD),
    "adam": AdamConfig(name="adam", kind="adam", lr=0.01, weight_decay=0.01),
    "dba": DBAConfig(name="dba", kind="dba", base=SGD),
    "dba, adam": DBAConfig(
        name="dba", kind="dba", base={"kind": "adam", "lr": 0.01}, order="projection", metric="variance"
    ),
    "dba, model": DBAConfig(name="dba", kind="dba", base=SGD, scope="model", order="norm"),
    "dba, top_k": DBAConfig(name="dba", kind="dba", base=SGD, rule="top_k", size=2),
    "dba, all": DBAConfig(name="dba", kind="dba", base=SGD, rule="all"),
}


@dataclass
class Watcher:
    """An observer that notes what it is told."""

    steps: list[tuple[int, float]] = field(default_factory=list)
    rows: list[HistoryRow] = field(default_factory=list)

    def step(self, step: int, loss: float) -> None:
        self.steps.append((step, loss))

    def row(self, row: HistoryRow) -> None:
        self.rows.append(row)


def samples(n: int, seed: int, dtype: torch.dtype, pixels: int = PIXELS) -> TensorData:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, 1, 1, pixels, generator=generator, dtype=torch.float64).to(dtype)
    return TensorData(images, torch.randint(0, CLASSES, (n,), generator=generator))


def network(seed: int, dtype: torch.dtype, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [nn.Linear(PIXELS, WIDTH), activation(), nn.Linear(WIDTH, WIDTH), activation()]
        return nn.Sequential(nn.Flatten(), *layers, nn.Linear(WIDTH, CLASSES)).to(dtype)


def seed_run(model: nn.Module, data: TensorData, seed: int) -> SeedRun:
    return SeedRun(model, data, torch.Generator().manual_seed(seed), Watcher())


def alone(
    run: SeedRun, entry: Any, test_data: TensorData, schedule: ScheduleConfig, smoothing: float = 0.0
) -> Outcome:
    optimizer = build_optimizer(entry, run.model.parameters())
    backward = gradient_rule(entry, run.model, torch.Generator()) if entry.kind == "dba" else mean_gradient
    learning = Learning(
        optimizer, build_scheduler(schedule, optimizer, TIMELINE.steps), backward, label_smoothing=smoothing
    )
    return train(run.model, learning, run.train_data, test_data, TIMELINE, run.order, run.observer)


def both(
    runs: Sequence[tuple[nn.Module, TensorData]],
    entry: Any,
    schedule: ScheduleConfig | None = None,
    smoothing: float = 0.0,
) -> list[tuple[tuple[SeedRun, Outcome], tuple[SeedRun, Outcome]]]:
    """Each run twice, from equal states: in the stack and alone."""
    schedule = schedule or ScheduleConfig()
    test_data = samples(31, 99, runs[0][1].images.dtype)
    twins = [seed_run(copy.deepcopy(model), data, seed) for seed, (model, data) in enumerate(runs)]
    stacked = [seed_run(model, data, seed) for seed, (model, data) in enumerate(runs)]
    ours = train_stacked(stacked, entry, schedule, test_data, TIMELINE, label_smoothing=smoothing)
    theirs = [alone(run, entry, test_data, schedule, smoothing) for run in twins]
    return list(zip(zip(stacked, ours, strict=True), zip(twins, theirs, strict=True), strict=True))


def figures(rows: Sequence[HistoryRow]) -> list[Mapping[str, object]]:
    return [{k: v for k, v in vars(row).items() if k != "seconds" and "loss" not in k} for row in rows]


def losses(rows: Sequence[HistoryRow]) -> list[float]:
    return [loss for row in rows for loss in (row.train_loss, row.test_loss) if loss is not None]


def assert_alike(ours: tuple[SeedRun, Outcome], theirs: tuple[SeedRun, Outcome], tolerance: float) -> None:
    for mine, other in zip(ours[0].model.parameters(), theirs[0].model.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=tolerance, atol=tolerance)
    assert ours[1].diverged_at_step == theirs[1].diverged_at_step
    assert figures(ours[1].history) == figures(theirs[1].history)
    assert losses(ours[1].history) == pytest.approx(losses(theirs[1].history), rel=tolerance, nan_ok=True)
    mine, other = ours[0].observer, theirs[0].observer
    assert isinstance(mine, Watcher)
    assert isinstance(other, Watcher)
    assert mine.rows == ours[1].history
    assert [step for step, _ in mine.steps] == [step for step, _ in other.steps]
    assert [x for _, x in mine.steps] == pytest.approx([x for _, x in other.steps], rel=tolerance)


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 2e-4)])
def test_each_run_of_a_stack_ends_as_it_does_alone(name: str, dtype: torch.dtype, tolerance: float) -> None:
    runs = [(network(seed, dtype), samples(N, seed + 10, dtype)) for seed in range(3)]
    before = [copy.deepcopy(model) for model, _ in runs]
    for ours, theirs in both(runs, ENTRIES[name]):
        assert_alike(ours, theirs, tolerance)
    for start, (end, _) in zip(before, runs, strict=True):  # the runs did move, each on its own way
        assert not torch.allclose(next(start.parameters()), next(end.parameters()), atol=1e-2)
    assert not torch.allclose(next(runs[0][0].parameters()), next(runs[1][0].parameters()), atol=1e-2)


@pytest.mark.parametrize("activation", [nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU])
def test_every_activation_goes_back_as_autograd_does(activation: type[nn.Module]) -> None:
    runs = [(network(seed, torch.float64, activation), samples(N, seed, torch.float64)) for seed in range(2)]
    schedule = ScheduleConfig(kind="cosine", warmup_steps=3)
    for ours, theirs in both(runs, ENTRIES["dba"], schedule, smoothing=0.1):
        assert_alike(ours, theirs, 1e-11)


def test_each_run_has_the_pixel_scale_of_its_own_draw() -> None:
    runs = []
    for seed in range(2):
        scale = Standardize(mean=0.2 + 0.3 * seed, std=0.5 + seed)
        model = nn.Sequential(scale, *network(seed, torch.float64))
        runs.append((model, samples(N, seed, torch.float64)))
    for ours, theirs in both(runs, ENTRIES["dba"]):
        assert_alike(ours, theirs, 1e-11)


def test_layers_without_activation_between_them() -> None:
    runs = []
    for seed in range(2):
        whole = network(seed, torch.float64)
        flat = nn.Sequential(whole[0], whole[1], whole[3], whole[5])
        runs.append((flat, samples(N, seed, torch.float64)))
    for ours, theirs in both(runs, ENTRIES["sgd"]):
        assert_alike(ours, theirs, 1e-11)


def test_large_layers_go_through_the_other_product_kernel() -> None:
    generator = torch.Generator().manual_seed(0)
    runs = []
    for seed in range(2):
        model = nn.Sequential(nn.Flatten(), nn.Linear(400, 320), nn.ReLU(), nn.Linear(320, CLASSES))
        for parameter in model.parameters():
            parameter.data = 0.1 * (torch.rand(parameter.shape, generator=generator) - 0.5)
        runs.append((model, samples(N, seed, torch.float32, pixels=400)))
    test_data = runs[0][1]
    twins = [seed_run(copy.deepcopy(model), data, seed) for seed, (model, data) in enumerate(runs)]
    stacked = [seed_run(model, data, seed) for seed, (model, data) in enumerate(runs)]
    found = train_stacked(stacked, ENTRIES["sgd"], ScheduleConfig(), test_data, TIMELINE)
    for run, twin, outcome in zip(stacked, twins, found, strict=True):
        assert_alike((run, outcome), (twin, alone(twin, ENTRIES["sgd"], test_data, ScheduleConfig())), 1e-4)


@pytest.mark.parametrize("name", ["sgd", "dba"])
def test_a_run_that_diverges_stops_there_and_the_others_go_on(name: str) -> None:
    runs = [(network(seed, torch.float64), samples(N, seed, torch.float64)) for seed in range(3)]
    images = runs[1][1].images
    images[11] = math.inf  # first seen within the first epoch, but not necessarily in its first step
    results = both(runs, ENTRIES[name])
    for ours, theirs in results:
        assert_alike(ours, theirs, 1e-11)
    found = [ours[1].diverged_at_step for ours, _ in results]
    assert found[0] is None
    assert found[1] in range(1, 5)
    assert found[2] is None


def test_gradients_that_overflow_end_a_dba_run_although_its_losses_are_finite() -> None:
    runs = [(network(seed, torch.float32), samples(N, seed, torch.float32)) for seed in range(2)]
    first = runs[0][0][1]
    assert isinstance(first, nn.Linear)
    with (
        torch.no_grad()
    ):  # squares of the inputs overflow in float32, their products with tiny weights do not
        runs[0][1].images.mul_(1e25)
        first.weight.mul_(1e-25)
    results = both(runs, ENTRIES["dba"])
    assert [ours[1].diverged_at_step for ours, _ in results] == [1, None]
    for ours, theirs in results:
        assert_alike(ours, theirs, 2e-4)


def test_all_runs_may_diverge() -> None:
    runs = [(network(seed, torch.float64), samples(N, seed, torch.float64)) for seed in range(2)]
    for _, data in runs:
        data.images.fill_(math.nan)
    for ours, theirs in both(runs, ENTRIES["adam"]):
        assert ours[1].diverged_at_step == theirs[1].diverged_at_step == 1
        assert len(ours[1].history) == 1


def test_the_seconds_of_a_stack_are_shared_out() -> None:
    runs = [(network(seed, torch.float64), samples(N, seed, torch.float64)) for seed in range(2)]
    first, second = (ours[1] for ours, _ in both(runs, ENTRIES["sgd"]))
    assert 0 < first.training_seconds == pytest.approx(second.training_seconds, rel=0.5)
    assert all(row.seconds <= first.training_seconds for row in first.history)


def test_draws_of_different_sizes_are_refused() -> None:
    runs = [
        seed_run(network(0, torch.float32), samples(23, 0, torch.float32), 0),
        seed_run(network(1, torch.float32), samples(22, 1, torch.float32), 1),
    ]
    with pytest.raises(ValueError, match="one size"):
        train_stacked(runs, ENTRIES["sgd"], ScheduleConfig(), samples(5, 2, torch.float32), TIMELINE)
