"""`DynamicBatch` in the loops people write: precision, accumulation, copies, clean removal."""

import copy
import io
import weakref
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dba_cli import DynamicBatch
from dba_cli.method import NonFiniteError
from dba_cli.method._delivery import deliver

from .problems import batch, losses_of, mlp


def gradients(model: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("rule", ["all", "prefix"])
def test_autocast(rule: str) -> None:
    model = mlp(torch.float32)
    exact = copy.deepcopy(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        dba = DynamicBatch(model, rule=rule)
        losses = losses_of(model)
        selection = dba.backward(losses)  # inside as well as outside
    assert {p.grad.dtype for p in model.parameters()} == {torch.float32}
    weights = selection.weights
    for name, module in exact.named_modules():
        if module._parameters:
            exact.zero_grad()
            (losses_of(exact) * weights[name]).sum().backward()
            for parameter, theirs in zip(
                model.get_submodule(name).parameters(), module.parameters(), strict=True
            ):
                error = (parameter.grad - theirs.grad).norm() / theirs.grad.norm()
                assert error < 0.03


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=False)[0].mean(1)


class Last(nn.Module):
    """The last hidden state of a recurrent module."""

    def __init__(self, kind: type[nn.LSTM | nn.GRU]) -> None:
        super().__init__()
        self.recurrent = kind(8, 8, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        states = self.recurrent(x)[1]
        return (states[0] if isinstance(states, tuple) else states)[-1]


AUTOCAST: dict[str, Callable[[], nn.Module]] = {
    "attention": Attention,
    "encoder": lambda: nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Flatten()),
    "transposed": lambda: nn.Sequential(nn.Conv1d(5, 6, 3), nn.ConvTranspose1d(6, 4, 3), nn.Flatten()),
    "lstm": lambda: Last(nn.LSTM),
    "gru": lambda: Last(nn.GRU),
    "norms": lambda: nn.Sequential(nn.RMSNorm(8), nn.Conv1d(5, 4, 3), nn.GroupNorm(2, 4), nn.Flatten()),
}


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # torch's RMSNorm
@pytest.mark.parametrize("name", AUTOCAST)
def test_autocast_of(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), AUTOCAST[name](), nn.LazyLinear(3))
    x, y = torch.randn(6, 5, 8), torch.arange(6) % 3
    model(x)
    dba = DynamicBatch(model, scope="model")
    for _ in range(2):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            losses = F.cross_entropy(model(x), y, reduction="none")
        model.zero_grad()
        weights = dba.backward(losses, retain_graph=True).weights["0"]
        found = gradients(model)
        model.zero_grad()
        (losses * weights).sum().backward()
        scale = max(float(p.grad.norm()) for p in model.parameters())
        for ours, parameter in zip(found, model.parameters(), strict=True):
            assert ours.dtype == torch.float32
            assert (ours - parameter.grad).norm() < 0.02 * max(float(parameter.grad.norm()), scale / 100)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("early", [True, False])
def test_a_model_moved_to_another_type_before_or_after(dtype: torch.dtype, early: bool) -> None:
    model = mlp(dtype if early else torch.float32)
    dba = DynamicBatch(model)
    model.to(dtype)
    dba.backward(losses_of(model))
    assert {p.grad.dtype for p in model.parameters()} == {dtype}


def test_accumulation_of_one_graph_or_of_more_clipping_and_a_scheduler() -> None:
    model = mlp(torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    dba = DynamicBatch(model)
    for _ in range(2):
        optimizer.zero_grad()
        losses = losses_of(model) / 2
        dba.backward(losses, retain_graph=True)
        first = gradients(model)
        for times, again in [(2, losses), (3, losses_of(model) / 2)]:
            dba.backward(again)
            for several, one in zip(gradients(model), first, strict=True):
                torch.testing.assert_close(several, times * one)
        nn.utils.clip_grad_norm_(model.parameters(), 0.01)
        optimizer.step()
        scheduler.step()
    assert scheduler.get_last_lr() == [0.025]
    tilted = [
        DynamicBatch(model, rule="all", tilt=-0.7 * k).backward(losses_of(model) / k).weights for k in (1, 2)
    ]
    torch.testing.assert_close(*tilted)


def test_freezing_and_unfreezing_after_construction() -> None:
    model = mlp(torch.float32)
    dba = DynamicBatch(model)
    model[0].requires_grad_(False)
    assert list(dba.backward(losses_of(model)).weights) == ["2", "3", "4"]
    model[0].requires_grad_(True)
    assert list(dba.backward(losses_of(model)).weights) == ["0", "2", "3", "4"]


def test_a_copied_pair_belongs_together() -> None:
    model = mlp(torch.float32)
    dba = DynamicBatch(model)
    dba.backward(losses_of(model))
    model.zero_grad()
    model_copy, dba_copy = copy.deepcopy((model, dba))
    dba_copy.backward(losses_of(model_copy))
    assert all(p.grad is not None for p in model_copy.parameters())
    assert all(p.grad is None for p in model.parameters())


def test_two_selections_may_serve_one_model_and_leave_nothing_on_it() -> None:
    model = mlp(torch.float32)
    one, two = DynamicBatch(model), DynamicBatch(model, metric="norm")
    one.backward(losses_of(model))
    two.backward(losses_of(model))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    stored = io.BytesIO()
    torch.save(model, stored)


@pytest.mark.parametrize("end", ["backward", "discard", "plain backward"])
def test_nothing_is_kept_once_a_graph_is_done(end: str) -> None:
    model = mlp(torch.float32)
    dba = DynamicBatch(model)
    x, y = batch(37, torch.float32)
    hidden = model[1](model[0](x))
    kept = weakref.ref(hidden)
    losses = F.cross_entropy(model[2:](hidden), y, reduction="none")
    del hidden
    if end == "backward":
        selection = dba.backward(losses)
        assert selection.sizes
    elif end == "plain backward":
        losses.mean().backward()
    if end != "backward":
        del losses
    assert kept() is None


def test_an_overwritten_input_is_refused_as_by_autograd() -> None:
    model = mlp(torch.float32)
    dba = DynamicBatch(model)
    x, y = batch(dtype=torch.float32)
    for _ in range(2):
        losses = F.cross_entropy(model(x), y, reduction="none")
        x.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            dba.backward(losses)


def test_a_second_backward_pass_needs_the_graph_kept() -> None:
    model = mlp(torch.float32)
    dba = DynamicBatch(model)
    for _ in range(2):
        losses = losses_of(model)
        dba.backward(losses, retain_graph=True)
        dba.backward(losses)
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            dba.backward(losses)


@pytest.mark.parametrize("rule", ["prefix", "all"])
@pytest.mark.parametrize("computed", [False, True])
def test_hooks_of_parameters_fire_once_and_change_gradients_as_in_a_plain_backward_pass(
    rule: str, computed: bool
) -> None:
    model = mlp(torch.float32)
    if computed:
        nn.utils.parametrizations.weight_norm(model[0])
    plain = copy.deepcopy(model)
    dba = DynamicBatch(model, rule=rule, check=1)
    selection = dba.backward(losses_of(model))
    expected = gradients(model)
    model.zero_grad()
    fired: list[str] = []
    for network in (model, plain):
        for name, parameter in network.named_parameters():
            parameter.register_hook(lambda g, name=name: fired.append(f"before {name}") or g * 2)
            parameter.register_post_accumulate_grad_hook(lambda p, name=name: fired.append(f"after {name}"))
    (losses_of(plain) * selection.weights["0"]).sum().backward()
    in_plain, fired[:] = sorted(fired), []
    dba.backward(losses_of(model))
    assert sorted(fired) == in_plain
    for ours, theirs in zip(gradients(model), expected, strict=True):
        torch.testing.assert_close(ours, 2 * theirs)


def test_an_optimizer_that_steps_within_the_backward_pass() -> None:
    model, plain = mlp(), mlp()
    for parameter in model.parameters():
        optimizer = torch.optim.SGD([parameter], lr=0.1)

        def step(parameter: Tensor, optimizer: torch.optim.Optimizer = optimizer) -> None:
            optimizer.step()
            parameter.grad = None

        parameter.register_post_accumulate_grad_hook(step)
    dba, other = DynamicBatch(model), DynamicBatch(plain)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    for _ in range(3):
        dba.backward(losses_of(model))
        optimizer.zero_grad()
        other.backward(losses_of(plain))
        optimizer.step()
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_gradients_are_handed_over_and_not_copied() -> None:
    parameter = nn.Parameter(torch.randn(30, 20))
    places = []

    def make() -> dict[nn.Parameter, Tensor]:
        gradient = torch.ones(30, 20)
        places.append(gradient.data_ptr())
        return {parameter: gradient}

    deliver([([parameter], make)])
    assert [parameter.grad.data_ptr()] == places


OVERFLOWS: dict[str, Callable[[Tensor], Tensor]] = {
    "losses": lambda losses: losses * 1e37,
    "gradients": lambda losses: losses + (losses - losses.detach()).sqrt(),
    "squares": lambda losses: losses * 1e20,
}


@pytest.mark.parametrize("rule", ["prefix", "all", "gradmatch", "largest_loss"])
@pytest.mark.parametrize("what", OVERFLOWS)
@pytest.mark.parametrize("first", [True, False])
def test_a_scaler_skips_a_step_that_overflows_and_goes_on(rule: str, what: str, first: bool) -> None:
    model = mlp(torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    dba = DynamicBatch(model, rule=rule)

    def moved(losses: Tensor) -> bool:
        before = [p.detach().clone() for p in model.parameters()]
        optimizer.zero_grad()
        dba.backward(scaler.scale(losses) / 2)
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        return any(not torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))

    assert first or moved(losses_of(model))
    assert not moved(OVERFLOWS[what](losses_of(model)))
    assert scaler.get_scale() == 512
    assert moved(losses_of(model))
    with pytest.raises(NonFiniteError):
        dba.backward(OVERFLOWS[what](losses_of(model)) * 1000)


def test_a_scaler_changes_neither_a_tilt_nor_the_warm_up() -> None:
    found = []
    for scaler in (
        torch.amp.GradScaler("cpu", init_scale=1024.0),
        torch.amp.GradScaler("cpu", enabled=False),
    ):
        model = mlp(torch.float32)
        dba = DynamicBatch(model, rule="top_k", tilt=-0.7, warmup_steps=1)
        if scaler.is_enabled():  # a step that overflows is none
            dba.backward(scaler.scale(losses_of(model) * 1e37))
        found.append([dba.backward(scaler.scale(losses_of(model))).weights for _ in range(2)])
    torch.testing.assert_close(*found)
    assert found[0][0]["0"].count_nonzero() == 12
    assert found[0][1]["0"].count_nonzero() == 3


@pytest.mark.parametrize("scale", [2.0**power for power in (10, 16, 24)])
def test_a_scaler_finds_its_scale_in_half_precision(scale: float) -> None:
    model = mlp(torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    dba = DynamicBatch(model)
    found = []
    for _ in range(40):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            losses = losses_of(model)
        dba.backward(scaler.scale(losses))
        scaler.step(optimizer)
        scaler.update()
        found.append(float(losses.detach().mean()))
    assert found[-1] < found[0]
    assert 2**8 < scaler.get_scale() <= scale
