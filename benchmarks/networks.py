"""The networks that are timed, with a batch of each."""

# ruff: noqa: D102

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dba_cli.data import import_torchvision

TOKENS, VOCABULARY = 64, 256


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        q, k, v = self.qkv(x).view(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(attended.transpose(1, 2).reshape(n, tokens, width))


class Block(nn.Module):
    """A pre-norm block: attention, then a feed-forward layer of four times the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Gpt(nn.Module):
    """A small GPT in plain torch."""

    def __init__(self, width: int = 128, depth: int = 4, heads: int = 4) -> None:
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, width), nn.Embedding(TOKENS, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
        return self.head(self.norm(self.blocks(self.embedding(tokens) + self.positions(places))))


class Gpt2(nn.Module):
    """The same size from transformers, whose layers are Conv1D; as shipped, dropout on."""

    def __init__(self) -> None:
        super().__init__()
        import_torchvision()  # which transformers would import itself, CUDA build or not
        from transformers import GPT2Config, GPT2LMHeadModel

        shape = {"n_positions": TOKENS, "n_embd": 128, "n_layer": 4, "n_head": 4, "vocab_size": VOCABULARY}
        self.model = GPT2LMHeadModel(GPT2Config(use_cache=False, bos_token_id=0, eos_token_id=0, **shape))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.model(tokens).logits


class Encoder(nn.Module):
    """Two pre-norm transformer blocks with attention made of Linear layers, over 16 tokens of width 64."""

    def __init__(self, vocabulary: int = 100, width: int = 64, heads: int = 4, tokens: int = 16) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(tokens, width)
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads) for _ in range(2)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
        hidden = self.blocks(self.embedding(tokens) + self.positions(places))
        return self.head(self.norm(hidden).mean(1))


class EncoderBlock(nn.Module):
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


def vit() -> nn.Module:
    """Torchvision's vision transformer, 192 wide, 6 layers, 64 patches and the class token."""
    return import_torchvision().models.VisionTransformer(
        image_size=32, patch_size=4, num_layers=6, num_heads=3, hidden_dim=192, mlp_dim=768, num_classes=10
    )


def resnet() -> nn.Module:
    """Torchvision's resnet18 with GroupNorm."""
    norm = lambda channels: nn.GroupNorm(32, channels)  # noqa: E731
    return import_torchvision().models.resnet18(norm_layer=norm, num_classes=10)


def classification(output: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each sample."""
    return F.cross_entropy(output, labels, reduction="none")


def next_token(output: Tensor, tokens: Tensor) -> Tensor:
    """Mean cross-entropy of each sequence's next tokens."""
    losses = F.cross_entropy(output[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    return losses.view(len(tokens), -1).mean(1)


@dataclass(frozen=True)
class Network:
    """A network to time.

    Attributes:
        build: makes it.
        inputs: draws n inputs.
        targets: at most how long a DBA step may take, by batch size, in plain steps; its batch sizes.
        memory: batch size for which memory is measured.
        language: whether the inputs are tokens, and each the other's label.
    """

    build: Callable[[], nn.Module]
    inputs: Callable[[int], Tensor]
    targets: dict[int, float]
    memory: int = 32
    language: bool = False
    losses: Callable[[Tensor, Tensor], Tensor] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "losses", next_token if self.language else classification)

    def batch(self, n: int) -> tuple[Tensor, Tensor]:
        """Inputs and labels, the same for every contestant."""
        torch.manual_seed(0)
        x = self.inputs(n)
        return x, x if self.language else torch.randint(0, 10, (n,))


def _pixels(n: int) -> Tensor:
    return torch.randn(n, 784)


def _images(n: int) -> Tensor:
    return torch.randn(n, 3, 32, 32)


def _tokens(n: int) -> Tensor:
    return torch.randint(0, VOCABULARY, (n, TOKENS))


NETWORKS = {
    "MLP 784-100-10": Network(
        lambda: mlp(100), _pixels, {32: 2.0, 128: 1.5, 1000: 1.5, 2000: 1.5}, memory=1000
    ),
    "MLP 784-800-10": Network(
        lambda: mlp(800), _pixels, {32: 1.3, 128: 1.25, 1000: 1.4, 2000: 1.5}, memory=1000
    ),
    "GPT 4 x 128": Network(Gpt, _tokens, {32: 1.25, 128: 1.4}, language=True),
    "GPT-2 4 x 128 (transformers)": Network(Gpt2, _tokens, {32: 1.25, 128: 1.4}, language=True),
    "ViT 6 x 192 (torchvision)": Network(vit, _images, {32: 1.3, 128: 1.45}),
    "resnet18-GN (torchvision)": Network(resnet, _images, {32: 1.5, 128: 1.7}),
    "small transformer": Network(Encoder, lambda n: torch.randint(0, 100, (n, 16)), {}),
    "small CNN": Network(cnn, lambda n: torch.randn(n, 1, 28, 28), {}, memory=128),
}
