"""What is remembered of samples, and the cut into two groups: against numbers made by hand."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dba_cli.method import DynamicBatch
from dba_cli.method._memory import otsu_cut

from .problems import batch, losses_of, mlp
from .reference import flat, sample_gradients

NAMES = ["0", "2", "3", "4"]


def cut_by_hand(values: Sequence[float]) -> float:
    """Largest value of the lower group: every cut is tried."""
    ascending = sorted(values)
    n, best, cut = len(ascending), -1.0, ascending[-1]
    for k in range(1, n):
        low, high = np.mean(ascending[:k]), np.mean(ascending[k:])
        between = k * (n - k) * (low - high) ** 2
        if between > best + 1e-12:
            best, cut = between, ascending[k - 1]
    return cut


@pytest.mark.parametrize("seed", range(5))
def test_the_cut_is_the_best_of_all(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = np.concatenate([random.normal(0, 1, (2, 9)), random.normal(4, 1, (2, 4 + seed))], 1)
    values = torch.from_numpy(rows)
    unknown = torch.full((2, 3), math.nan).double()
    found = otsu_cut(torch.cat([values[:, :5], unknown, values[:, 5:]], 1))
    assert found.flatten().tolist() == [cut_by_hand(row) for row in rows.tolist()]


@pytest.mark.parametrize(("values", "cut"), [([3.0], 3.0), ([2.0, 2.0, 2.0], 2.0), ([1.0, 5.0], 1.0)])
def test_cuts_of_few_values(values: list[float], cut: float) -> None:
    assert otsu_cut(torch.tensor([values])).item() == cut


def quantity_by_hand(kind: str, losses: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    if kind == "loss":
        squares = losses
    elif kind == "norm":
        squares = (gradients**2).sum(1)
    else:
        squares = ((gradients - gradients.mean(0)) ** 2).sum(1)
    return np.log(squares / squares.mean())


@pytest.mark.parametrize("scope", ["layer", "model"])
@pytest.mark.parametrize(
    ("kind", "relative", "upper_group"),
    [(kind, relative, 0) for kind in ("distance", "loss", "norm") for relative in (True, False)]
    + [("distance", True, 0.4), ("loss", False, 0.4)],
)
def test_memory_and_selection_by_hand(kind: str, relative: bool, upper_group: float, scope: Any) -> None:
    """Six steps on batches with samples that come back, one of them twice in a batch."""
    model = mlp()
    dba = DynamicBatch(
        model,
        rule="two_groups",
        remember=kind,
        memory=0.6,
        class_relative=relative,
        upper_group=upper_group,
        scope=scope,
        min_fraction=0.2,
        max_fraction=0.9,
        warmup_steps=2,
    )
    random = np.random.default_rng(1)
    classes = random.integers(0, 3, 20)
    rows = [NAMES] if scope == "model" else [[name] for name in NAMES]
    means = [dict[int, float]() for _ in rows]
    for step in range(6):
        members = random.permutation(20)[:11]
        indices = np.append(members, members[3])
        model.zero_grad()
        selection = dba.backward(
            losses_of(model), labels=torch.from_numpy(classes[indices]), indices=torch.from_numpy(indices)
        )
        losses = losses_of(model).detach().numpy()
        for mean, names in zip(means, rows, strict=True):
            own = [p for name in names for p in model.get_submodule(name).parameters()]
            gradients = flat(sample_gradients(lambda: losses_of(model), own)).numpy()
            new = quantity_by_hand(kind, losses, gradients)
            for i in set(indices.tolist()):
                value = float(new[indices == i].mean())
                mean[i] = 0.6 * mean[i] + 0.4 * value if i in mean else value
            known = np.array(sorted(mean))
            values = np.array([mean[i] for i in known])
            if relative:
                of_class = {c: sorted(values[classes[known] == c]) for c in set(classes[known])}
                values = values - [of_class[c][(len(of_class[c]) - 1) // 2] for c in classes[known]]
            mine = np.array([values[known == i][0] for i in indices])
            cut = cut_by_hand(values.tolist()) + 1e-12
            if (values > cut).mean() < upper_group:
                cut = math.inf
            size = np.clip((mine <= cut).sum(), 3, 10)
            expected = np.zeros(12)
            expected[np.argsort(mine, kind="stable")[:size]] = 1 / size
            if step < 2:
                expected[:] = 1 / 12
            for name in names:
                np.testing.assert_allclose(selection.weights[name].numpy(), expected, atol=1e-12)
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.3 * p.grad


def test_the_order_remembered_takes_the_smallest_first() -> None:
    model = mlp()
    dba = DynamicBatch(
        model, rule="top_k", order="remembered", remember="loss", size=4, class_relative=False, scope="model"
    )
    losses = losses_of(model)
    selection = dba.backward(losses, indices=torch.arange(12))
    chosen = selection.weights["0"].nonzero().flatten()
    assert set(chosen.tolist()) == set(losses.argsort()[:4].tolist())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"backward\(losses, indices=indices\)"),
        ({"indices": torch.arange(12)}, r"backward\(losses, labels=labels\)"),
        ({"indices": torch.arange(5)}, r"indices must have shape \(12,\)"),
        (
            {"indices": torch.arange(-1, 11), "labels": torch.arange(12)},
            "indices must be whole numbers from 0",
        ),
        ({"indices": torch.arange(12), "labels": torch.ones(12)}, "labels must be whole numbers from 0"),
    ],
)
def test_what_is_missing_is_said(given: dict[str, Any], said: str) -> None:
    model = mlp()
    with pytest.raises(ValueError, match=said):
        DynamicBatch(model, rule="two_groups").backward(losses_of(model), **given)


def test_rules_that_remember_nothing_need_no_indices() -> None:
    model = mlp()
    assert (
        DynamicBatch(model, rule="top_k", size=3, warmup_steps=1).backward(losses_of(model)).sizes["0"] == 12
    )


@pytest.mark.parametrize(
    "keys", [{"memory": 1.0}, {"memory": -0.1}, {"warmup_steps": -1}, {"remember": "los"}]
)
def test_settings_outside_their_range(keys: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"memory must|warmup_steps must|did you mean 'loss'"):
        DynamicBatch(mlp(), **keys)


def test_a_state_goes_on_where_it_was() -> None:
    def step(dba: DynamicBatch, model: nn.Module, k: int) -> list[list[float]]:
        indices = (torch.arange(12) * (k + 1)) % (13 + k)
        selection = dba.backward(losses_of(model), labels=batch()[1], indices=indices)
        return [weights.tolist() for weights in selection.weights.values()]

    keys: dict[str, Any] = {"rule": "two_groups", "warmup_steps": 3, "min_fraction": 0}
    model = mlp()
    first, second = DynamicBatch(model, **keys), DynamicBatch(model, **keys)
    for k in range(3):
        step(first, model, k)
    second.load_state_dict(first.state_dict())
    expected = [step(first, model, k) for k in range(3, 7)]
    assert [step(second, model, k) for k in range(3, 7)] == expected


@pytest.mark.parametrize("warmup_steps", [0, 1])
def test_a_tilt_makes_large_losses_count_less(warmup_steps: int) -> None:
    """With every sample, the gradient is that of the mean of -exp(t loss), divided by the mean factor."""
    model, twin = mlp(), mlp()
    rule = "top_k" if warmup_steps else "all"
    selection = DynamicBatch(model, rule=rule, tilt=-0.7, warmup_steps=warmup_steps).backward(
        losses_of(model)
    )
    factors = (-0.7 * losses_of(twin)).exp()
    expected = factors.detach() / factors.detach().sum()
    (factors.mean() / (-0.7 * factors.detach().mean())).backward()
    for name in NAMES:
        torch.testing.assert_close(selection.weights[name], expected)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)


def test_a_tilt_changes_nothing_about_who_is_chosen() -> None:
    model, losses = mlp(), losses_of(mlp()).detach()
    keys: dict[str, Any] = {"rule": "top_k", "size": 5}
    plain = DynamicBatch(model, **keys).backward(losses_of(model)).weights
    tilted = DynamicBatch(model, **keys, tilt=1000.0).backward(losses_of(model)).weights
    for name in NAMES:
        chosen = plain[name] > 0
        assert tilted[name].argmax() == torch.where(chosen, losses, -torch.inf).argmax()
        assert tilted[name][~chosen].sum() == 0
        assert tilted[name].sum() == pytest.approx(1)


def test_wrong_labels_are_found() -> None:
    """Three clouds of points, three labels in ten wrong: in the end they are what is dropped."""
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(120) % 3
    centres = 3 * torch.nn.functional.one_hot(classes, 5).float()
    x = centres + 0.5 * torch.randn(120, 5, generator=generator)
    wrong = torch.randperm(120, generator=generator) < 36
    labels = torch.where(wrong, (classes + 1) % 3, classes)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    dba = DynamicBatch(model, rule="two_groups", warmup_steps=10, min_fraction=0)
    for _ in range(20):
        kept = {name: torch.zeros(120, dtype=torch.bool) for name in ("0", "2")}
        for members in torch.randperm(120, generator=generator).split(40):
            optimizer.zero_grad()
            losses = F.cross_entropy(model(x[members]), labels[members], reduction="none")
            selection = dba.backward(losses, labels=labels[members], indices=members)
            for name, weights in selection.weights.items():
                kept[name][members] = weights > 0
            optimizer.step()
    for name in kept:
        assert (~kept[name] == wrong).float().mean() > 0.97
