"""The networks that are timed, with a batch of each."""

# ruff: noqa: D102

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Encoder(nn.Module):
    """Two pre-norm transformer blocks with attention made of Linear layers, over 16 tokens of width 64."""

    def __init__(self, vocabulary: int = 100, width: int = 64, heads: int = 4, tokens: int = 16) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(tokens, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(2)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
        hidden = self.blocks(self.embedding(tokens) + self.positions(places))
        return self.head(self.norm(hidden).mean(1))


class Block(nn.Module):
    """One block: attention, then a feed-forward layer of four times the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, _ = x.shape
        h = self.norm1(x)
        q, k, v = (
            f(h).view(n, tokens, self.heads, -1).transpose(1, 2) for f in (self.query, self.key, self.value)
        )
        # Written out, because the fused kernel has no rule for vmap, one of the peers.
        attention = (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1)
        x = x + self.out((attention @ v).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


def mlp(hidden: int) -> nn.Module:
    """One hidden layer, for flattened 28 x 28 images."""
    return nn.Sequential(nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 10))


def cnn() -> nn.Module:
    """Two convolutions and two Linear layers, for 28 x 28 images."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


@dataclass(frozen=True)
class Network:
    """A network to time: how to build it and how to draw n inputs."""

    build: Callable[[], nn.Module]
    inputs: Callable[[int], Tensor]


NETWORKS = {
    "MLP 784-100-10": Network(lambda: mlp(100), lambda n: torch.randn(n, 784)),
    "MLP 784-800-10": Network(lambda: mlp(800), lambda n: torch.randn(n, 784)),
    "small CNN": Network(cnn, lambda n: torch.randn(n, 1, 28, 28)),
    "small transformer": Network(Encoder, lambda n: torch.randint(0, 100, (n, 16))),
}
