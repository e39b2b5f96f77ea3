"""Whole networks against the loop over samples."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .exactness import assert_exact


class Encoder(nn.Module):
    """A transformer encoder with attention made of Linear layers."""

    def __init__(self, vocabulary: int = 11, width: int = 8, heads: int = 2, positions: int = 5) -> None:
        super().__init__()
        self.heads = heads
        self.tokens = nn.Embedding(vocabulary, width, padding_idx=0)
        self.places = nn.Embedding(positions, width)
        self.first, self.second, self.last = nn.LayerNorm(width), nn.RMSNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.head = nn.Linear(width, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        n, t = tokens.shape
        x = self.tokens(tokens) + self.places(torch.arange(t).expand(n, t))
        h = self.first(x)
        q, k, v = (
            f(h).view(n, t, self.heads, -1).transpose(1, 2) for f in (self.query, self.key, self.value)
        )
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        x = x + self.down(F.gelu(self.up(self.second(x))))
        return self.head(self.last(x).mean(1))


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, stride=2, padding=1),
        nn.GroupNorm(2, 8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, groups=4, bias=False),
        nn.InstanceNorm2d(8, affine=True),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(32, 3),
    )


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
@pytest.mark.parametrize("kind", ["mlp", "cnn", "encoder"])
def test_network(kind: str, dtype: torch.dtype, rtol: float) -> None:
    torch.manual_seed(0)
    n = 12
    y = torch.randint(0, 3, (n,))
    model, x = {
        "mlp": lambda: (nn.Sequential(nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 3)), torch.randn(n, 9)),
        "cnn": lambda: (cnn(), torch.randn(n, 2, 9, 9)),
        "encoder": lambda: (Encoder(), torch.randint(0, 11, (n, 5))),
    }[kind]()
    model.to(dtype)
    x = x.to(dtype) if x.is_floating_point() else x
    assert_exact(model, lambda m: F.cross_entropy(m(x), y, reduction="none"), rtol=rtol)


def test_module_called_several_times() -> None:
    torch.manual_seed(0)
    cell = nn.ModuleDict(
        {"recur": nn.Linear(4, 4), "norm": nn.LayerNorm(4), "head": nn.Linear(4, 2)}
    ).double()
    x = torch.randn(6, 3, 4, dtype=torch.float64)

    def losses(m: nn.Module) -> Tensor:
        state = torch.zeros(6, 4, dtype=torch.float64)
        for step in range(3):
            state = m["norm"](m["recur"](state + x[:, step])).tanh()
        return m["head"](state).square().sum(1)

    assert_exact(cell, losses)


def test_two_forward_passes_meet_in_one_loss() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(2, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(9, 2)).double()
    one, two = torch.randn(2, 5, 2, 4, dtype=torch.float64)
    assert_exact(model, lambda m: (m(one) - m(two)).square().sum(1))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(7, 4)
        self.body = nn.Linear(4, 4)
        self.head = nn.Linear(4, 7)
        self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.body(self.tokens(tokens)).tanh())


def test_tied_embedding_and_head_are_one_layer() -> None:
    torch.manual_seed(0)
    model = Tied().double()
    tokens = torch.randint(0, 7, (6, 5))

    def losses(m: nn.Module) -> Tensor:
        return F.cross_entropy(m(tokens[:, :-1]).transpose(1, 2), tokens[:, 1:], reduction="none").sum(1)

    layers = {"tokens": ["tokens.weight", "head.bias"], "body": ["body.weight", "body.bias"]}
    selection = assert_exact(model, losses, layers)
    assert torch.equal(selection.weights["tokens"], selection.weights["head"])


def test_a_module_in_two_places_goes_by_its_first_name() -> None:
    torch.manual_seed(0)
    shared = nn.Linear(4, 4)
    model = nn.Sequential(shared, nn.Tanh(), shared, nn.Linear(4, 2)).double()
    x = torch.randn(6, 4, dtype=torch.float64)
    selection = assert_exact(model, lambda m: m(x).square().sum(1))
    assert list(selection.weights) == ["0", "3"]
