"""Other people's networks, small and without trained weights, as they are trained: dropout and the like on.

`NETWORKS` maps a name to a function that is given the number of samples, builds the network, and gives it
with a function from the network to the losses of its samples. Those of `torchvision` and `torch.nn` need
nothing that the package does not; the others need the extra `zoo`. `agreement` holds one against the loop
over samples.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dba_cli import DynamicBatch
from dba_cli.data import import_torchvision
from dba_cli.method import RULES, SelectionProblem, register_rule

SAMPLES = 6

Case = tuple[nn.Module, Callable[[nn.Module], Tensor]]
NETWORKS: dict[str, Callable[[int], Case]] = {}


def network(name: str) -> Callable[[Callable[[int], Case]], Callable[[int], Case]]:
    """Register a function under a name; the part before the colon is the library."""

    def register(build: Callable[[int], Case]) -> Callable[[int], Case]:
        NETWORKS[name] = build
        return build

    return register


def quick() -> list[str]:
    """The networks that need no more than the package does, but for large ones."""
    large = ("EfficientNet-B0, GroupNorm", "BatchNorm in evaluation mode")
    here = ("torchvision", "torch.nn", "by hand")
    return [name for name in NETWORKS if name.startswith(here) and not name.endswith(large)]


def build(name: str, dtype: torch.dtype = torch.float32, n: int = SAMPLES) -> Case:
    """The network in training mode, the same at every call, and its losses of n samples."""
    import_torchvision()  # also for those that import it themselves
    torch.manual_seed(0)
    model, losses = NETWORKS[name](n)
    return model.to(dtype).train(), losses


@dataclass(frozen=True)
class Agreement:
    """How far our gradients are from autograd's, relative to the samples' mean norm.

    Attributes:
        weighted: largest error over parameters against a loop over the losses, one `autograd.grad` each.
        mean: largest error of ``rule="all"`` against ``losses.mean().backward()``.
        general: types of the nodes that were differentiated for every sample.
    """

    weighted: float
    mean: float
    general: tuple[str, ...]


def uneven(problem: SelectionProblem) -> Tensor:
    """A rule for tests: weights that differ by sample and by layer, some of them zero."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(problem.shape, generator=generator, dtype=torch.float64)
    weights = torch.where(weights < 0.3, 0.0, weights)
    weights[:, 0] += 0.1
    return (weights / weights.sum(-1, keepdim=True)).to(problem.dtype)


def agreement(name: str, dtype: torch.dtype) -> Agreement:
    """Compare the gradients of a network with a loop over the losses of the same graph.

    That is done in the second step, whose plan comes from the first: its gradients are not proved again.
    """
    if "zoo-uneven" not in RULES:
        register_rule("zoo-uneven")(uneven)
    model, losses_of = build(name, dtype)
    coupled = "exact" if "coupled" in name else "refuse"
    dba, plain = (DynamicBatch(model, rule=rule, coupled=coupled) for rule in ("zoo-uneven", "all"))
    parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
    for first in (dba, plain):
        first.backward(losses_of(model))
        model.zero_grad()
    losses = losses_of(model)
    wanted = [
        torch.autograd.grad(loss, list(parameters.values()), retain_graph=True, allow_unused=True)
        for loss in losses.unbind()
    ]
    selection = dba.backward(losses, retain_graph=True)
    ours = {n: p.grad for n, p in parameters.items()}
    model.zero_grad()
    plain.backward(losses, retain_graph=True)
    means = {n: p.grad for n, p in parameters.items()}
    model.zero_grad()
    losses.mean().backward()
    weight_of = _weights_by_parameter(model, selection.weights)
    compared = []
    for k, (key, parameter) in enumerate(parameters.items()):
        samples = [g[k] for g in wanted]
        if all(g is None for g in samples):
            assert ours[key] is None, f"{key} got a gradient"
            continue
        assert ours[key] is not None, f"{key} got no gradient"
        flat = torch.stack([torch.zeros_like(parameter) if g is None else g for g in samples])
        flat = flat.reshape(len(losses), -1)
        weights = weight_of[key].to(flat.dtype)
        error = float((ours[key].flatten() - weights @ flat).norm())
        compared.append((error, float((means[key] - parameter.grad).norm()), float(flat.norm(dim=1).mean())))
    # A gradient that is zero but for rounding, a shift before a normalization for one, is held to the others.
    errors, mean_errors, norms = zip(*compared, strict=True)
    scales = [max(norm, 1e-3 * max(norms)) for norm in norms]
    weighted, mean = ([e / s for e, s in zip(of, scales, strict=True)] for of in (errors, mean_errors))
    plan, _ = next(reversed(dba._tracer._plans.values()))
    return Agreement(max(weighted), max(mean), plan.general)


def _weights_by_parameter(model: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of the layer that each parameter is in: that of its module, or of the nearest above it."""
    found = {}
    for name, _ in model.named_parameters(remove_duplicate=False):
        owner = name.rpartition(".")[0]
        while owner not in weights and owner:
            owner = owner.rpartition(".")[0]
        if owner in weights:
            found[name] = weights[owner]
    return found


def trained(name: str, *, steps: int, with_dba: bool, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """The parameters after so many steps of plain training, or of DBA with the rule ``all``."""
    model, losses_of = build(name, dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    dba = DynamicBatch(model, rule="all")
    torch.manual_seed(1)  # dropout draws the same
    for _ in range(steps):
        optimizer.zero_grad()
        losses = losses_of(model)
        if with_dba:
            dba.backward(losses)
        else:
            losses.mean().backward()
        optimizer.step()
    return [p.detach() for p in model.parameters()]


def _groups(channels: int) -> nn.Module:
    return nn.GroupNorm(2, channels)


def _dtype(model: nn.Module) -> torch.dtype:
    return next(p for p in model.parameters() if p.is_floating_point()).dtype


def _classified(n: int, model: nn.Module, shape: tuple[int, ...], classes: int = 5) -> Case:
    """Images (or sequences) to classes."""
    x, y = torch.randn(n, *shape), torch.randint(0, classes, (n,))

    def losses(m: nn.Module) -> Tensor:
        return F.cross_entropy(m(x.to(_dtype(m))), y, reduction="none")

    return model, losses


def _outputs(n: int, model: nn.Module, call: Callable[[nn.Module, Tensor], Tensor], *shape: int) -> Case:
    """Any network by its outputs, samples first."""
    x = torch.randn(n, *shape)
    return model, lambda m: call(m, x.to(_dtype(m))).tanh().square().flatten(1).sum(1)


# torchvision


@network("torchvision: resnet18, GroupNorm")
def _resnet(n: int) -> Case:
    torchvision = import_torchvision()
    return _classified(n, torchvision.models.resnet18(num_classes=5, norm_layer=_groups), (3, 32, 32))


@network("torchvision: resnet18, BatchNorm in evaluation mode")
def _resnet_eval(n: int) -> Case:
    torchvision = import_torchvision()
    model = torchvision.models.resnet18(num_classes=5)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train = lambda mode=True, module=module: module  # type: ignore[method-assign]
            module.training = False
    return _classified(n, model, (3, 32, 32))


@network("torchvision: ConvNeXt")
def _convnext(n: int) -> Case:
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    blocks = [CNBlockConfig(8, 16, 2), CNBlockConfig(16, None, 2)]
    return _classified(n, ConvNeXt(blocks, stochastic_depth_prob=0.3, num_classes=5), (3, 32, 32))


@network("torchvision: ViT")
def _vit(n: int) -> Case:
    from torchvision.models import VisionTransformer

    model = VisionTransformer(16, 4, 2, 2, 16, 32, dropout=0.1, attention_dropout=0.1, num_classes=5)
    nn.init.normal_(model.heads.head.weight)
    return _classified(n, model, (3, 16, 16))


@network("torchvision: Swin")
def _swin(n: int) -> Case:
    from torchvision.models.swin_transformer import SwinTransformer

    model = SwinTransformer(
        [4, 4], 8, [2, 2], [2, 2], [4, 4], dropout=0.1, attention_dropout=0.1, stochastic_depth_prob=0.3,
        num_classes=5,
    )  # fmt: skip
    return _classified(n, model, (3, 32, 32))


def _without_batch_norm(n: int, build: Callable[..., nn.Module]) -> Case:
    return _classified(n, build(num_classes=5, norm_layer=_groups), (3, 32, 32))


@network("torchvision: MobileNetV3, GroupNorm")
def _mobilenet(n: int) -> Case:
    torchvision = import_torchvision()
    return _without_batch_norm(n, torchvision.models.mobilenet_v3_small)


@network("torchvision: EfficientNet-B0, GroupNorm")
def _efficientnet(n: int) -> Case:
    torchvision = import_torchvision()
    return _without_batch_norm(n, torchvision.models.efficientnet_b0)


# timm


@network("timm: ViT, drop path")
def _timm_vit(n: int) -> Case:
    import timm

    sizes = {"img_size": 16, "patch_size": 4, "embed_dim": 16, "depth": 3, "num_heads": 2, "num_classes": 5}
    return _classified(
        n, timm.create_model("vit_tiny_patch16_224", drop_path_rate=0.3, drop_rate=0.1, **sizes), (3, 16, 16)
    )


@network("timm: Mixer")
def _mixer(n: int) -> Case:
    from timm.models.mlp_mixer import MlpMixer

    model = MlpMixer(num_classes=5, img_size=16, patch_size=4, num_blocks=2, embed_dim=16, drop_path_rate=0.3)
    nn.init.normal_(model.head.weight)  # it starts at zero, and all other gradients with it
    return _classified(n, model, (3, 16, 16))


@network("timm: ConvNeXtV2")
def _convnextv2(n: int) -> Case:
    import timm

    sizes = {"depths": (1, 2, 1, 1), "dims": (8, 16, 16, 16), "num_classes": 5}
    return _classified(n, timm.create_model("convnextv2_atto", drop_path_rate=0.3, **sizes), (3, 32, 32))


# transformers


def _tokens(n: int, model: nn.Module, vocabulary: int = 50) -> Case:
    """Language models: the mean loss of each sequence's tokens."""
    tokens = torch.randint(0, vocabulary, (n, 9))

    def losses(m: nn.Module) -> Tensor:
        logits = m(tokens).logits
        if logits.ndim == 2:
            return F.cross_entropy(logits, tokens[:, 0] % logits.shape[1], reduction="none")
        steps = F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
        return steps.mean(1)

    return model, losses


_BERT = {
    "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 32, "max_position_embeddings": 20,
}  # fmt: skip
_LLAMA = {**_BERT, "num_key_value_heads": 1}


def _hugging_face() -> Mapping[str, Callable[[Any], nn.Module]]:
    return {
        "BERT": lambda t: t.BertForSequenceClassification(t.BertConfig(**_BERT, num_labels=3)),
        "DistilBERT": lambda t: t.DistilBertForMaskedLM(
            t.DistilBertConfig(vocab_size=50, dim=16, n_layers=2, n_heads=2, hidden_dim=32)
        ),
        "RoBERTa": lambda t: t.RobertaForMaskedLM(t.RobertaConfig(**_BERT)),
        "GPT-2": lambda t: t.GPT2LMHeadModel(
            t.GPT2Config(
                vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=20, bos_token_id=0, eos_token_id=0
            )
        ),
        "Llama": lambda t: t.LlamaForCausalLM(t.LlamaConfig(**_LLAMA, attention_dropout=0.1)),
        "Qwen2": lambda t: t.Qwen2ForCausalLM(t.Qwen2Config(**_LLAMA, attention_dropout=0.1)),
        "T5": lambda t: _T5(
            t.T5ForConditionalGeneration(
                t.T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
            )
        ),
    }


class _T5(nn.Module):
    """An encoder and decoder with one argument."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Any:
        return self.model(input_ids=tokens, decoder_input_ids=tokens)


def _hf(name: str, checkpointing: bool) -> Callable[[int], Case]:
    def build(n: int) -> Case:
        import transformers

        model = _hugging_face()[name](transformers)
        if checkpointing:
            inner = model.model if isinstance(model, _T5) else model
            inner.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        return _tokens(n, model)

    return build


for _name in _hugging_face():
    network(f"transformers: {_name}")(_hf(_name, False))
    network(f"transformers: {_name}, gradient checkpointing")(_hf(_name, True))


def _adapted(name: str, **config: Any) -> Callable[[int], Case]:
    def build(n: int) -> Case:
        import peft
        import transformers

        model = _hugging_face()[name](transformers)
        adapted = peft.get_peft_model(model, peft.LoraConfig(r=2, lora_dropout=0.1, **config))
        for parameter_name, parameter in adapted.named_parameters():
            if "lora_B" in parameter_name:
                nn.init.normal_(parameter, std=0.1)  # it starts at zero, where half of the gradients vanish
        return _tokens(n, adapted)

    return build


network("peft: LoRA on Llama")(_adapted("Llama", target_modules=["q_proj", "v_proj"]))
network("peft: DoRA on Llama")(_adapted("Llama", target_modules=["q_proj", "v_proj"], use_dora=True))
network("peft: LoRA on GPT-2")(_adapted("GPT-2", target_modules=["c_attn"], fan_in_fan_out=True))


# torch.nn


def _masked(**masks: Callable[[int], Tensor]) -> Callable[[int], Case]:
    def build(n: int) -> Case:
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        return _outputs(n, encoder, lambda m, x: m(x, **{k: mask(n) for k, mask in masks.items()}), 6, 8)

    return build


network("torch.nn: TransformerEncoder")(_masked())
network("torch.nn: TransformerEncoder, causal mask of n positions")(
    _masked(mask=lambda n: torch.ones(6, 6, dtype=torch.bool).triu(1))
)
network("torch.nn: TransformerEncoder, padding mask")(
    _masked(src_key_padding_mask=lambda n: torch.arange(6) > 2 + torch.arange(n).unsqueeze(1) % 5)
)


@network("torch.nn: TransformerEncoder, time first")
def _time_first(n: int) -> Case:
    layer = nn.TransformerEncoderLayer(8, 2, 16)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return _outputs(n, encoder, lambda m, x: m(x.transpose(0, 1)).transpose(0, 1), 4, 8)


@network("torch.nn: MultiheadAttention, a mask for each head")
def _attention_3d(n: int) -> Case:
    mask = torch.rand(n * 2, 5, 5) > 0.7
    mask[:, range(5), range(5)] = False
    return _outputs(
        n,
        nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True),
        lambda m, x: m(x, x, x, attn_mask=mask, need_weights=False)[0], 5, 8,
    )  # fmt: skip


@network("torch.nn: MultiheadAttention, keys of another width, added biases")
def _attention_cross(n: int) -> Case:
    memory = torch.randn(n, 3, 4)
    return _outputs(
        n,
        nn.MultiheadAttention(8, 2, kdim=4, vdim=4, add_bias_kv=True, add_zero_attn=True, batch_first=True),
        lambda m, x: m(x, memory.to(x), memory.to(x))[0], 5, 8,
    )  # fmt: skip


@network("torch.nn: Transformer, encoder and decoder")
def _transformer(n: int) -> Case:
    return _outputs(n, nn.Transformer(8, 2, 1, 1, 16, batch_first=True), lambda m, x: m(x, x[:, :3]), 4, 8)


def _recurrent(kind: str, read: str, **options: Any) -> Callable[[int], Case]:
    def build(n: int) -> Case:
        def call(m: nn.Module, x: Tensor) -> Tensor:
            if read == "packed":
                lengths = torch.tensor([5, 2, 4, 3, 5, 1]).repeat(-(-n // 6))[:n]
                x = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            outputs, last = m(x)
            last = last[0] if isinstance(last, tuple) else last
            return outputs if read == "outputs" else last.transpose(0, 1)

        return _outputs(n, getattr(nn, kind)(4, 3, **{"batch_first": True} | options), call, 5, 4)

    return build


for _kind in ("LSTM", "GRU"):
    for _read in ("outputs", "h_n", "packed"):
        _label = {"outputs": "outputs", "h_n": "h_n", "packed": "packed sequences, h_n"}[_read]
        network(f"torch.nn: {_kind}, {_label}")(_recurrent(_kind, _read))
network("torch.nn: LSTM, two layers, both directions, dropout")(
    _recurrent("LSTM", "outputs", num_layers=2, bidirectional=True, dropout=0.2)
)
network("torch.nn: LSTM, projected")(_recurrent("LSTM", "outputs", proj_size=2))


def _cell(kind: str) -> Callable[[int], Case]:
    def build(n: int) -> Case:
        def call(m: nn.Module, x: Tensor) -> Tensor:
            state = None
            for step in x.unbind(1):
                state = m(step, state)
            assert state is not None
            return state[0] if isinstance(state, tuple) else state

        return _outputs(n, getattr(nn, kind)(4, 3), call, 3, 4)

    return build


for _kind in ("LSTMCell", "GRUCell", "RNNCell"):
    network(f"torch.nn: {_kind}")(_cell(_kind))


def _computed(wrap: Callable[[nn.Module], nn.Module]) -> Callable[[int], Case]:
    def build(n: int) -> Case:
        model = nn.Sequential(wrap(nn.Conv1d(3, 4, 2)), nn.ReLU(), nn.Flatten(), wrap(nn.Linear(12, 6)))
        return _outputs(n, model, lambda m, x: m(x), 3, 4)

    return build


def _pruned(module: nn.Module) -> nn.Module:
    from torch.nn.utils import prune

    return prune.l1_unstructured(module, "weight", amount=0.5)


def _old_weight_norm(module: nn.Module) -> nn.Module:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(module)


for _label, _wrap in {
    "weight_norm (hook)": _old_weight_norm,
    "weight_norm (parametrization)": nn.utils.parametrizations.weight_norm,
    "spectral_norm (hook)": nn.utils.spectral_norm,
    "spectral_norm (parametrization)": nn.utils.parametrizations.spectral_norm,
    "pruned": _pruned,
}.items():
    network(f"torch.nn: {_label}")(_computed(_wrap))


@network("torch.nn: orthogonal (parametrization)")
def _orthogonal(n: int) -> Case:
    model = nn.Sequential(nn.utils.parametrizations.orthogonal(nn.Linear(6, 6)), nn.Tanh(), nn.Linear(6, 2))
    return _outputs(n, model, lambda m, x: m(x), 6)


@network("torch.nn: rarer layers")
def _rarer(n: int) -> Case:
    model = nn.Sequential(
        nn.ConvTranspose2d(2, 4, 3, stride=2, output_padding=1, padding=1, groups=2), nn.PReLU(4),
        nn.InstanceNorm2d(4, affine=True), nn.Conv2d(4, 6, 3, groups=2, padding=1, padding_mode="circular"),
        nn.RMSNorm(8), nn.Flatten(), nn.Linear(6 * 8 * 8, 3),
    )  # fmt: skip
    return _outputs(n, model, lambda m, x: m(x), 2, 4, 4)


@network("torch.nn: BatchNorm in training, coupled='exact'")
def _batch_norm(n: int) -> Case:
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 5), nn.BatchNorm1d(5)
    )
    return _classified(n, model, (2, 4, 4))


# by hand


class _Functional(nn.Module):
    """Parameters of any shape, of no module, tied, unused, frozen, and used functionally."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(11, 6)
        self.positions = nn.Parameter(torch.randn(6, 6))
        self.scale = nn.Parameter(torch.tensor(0.7))
        self.unused = nn.Parameter(torch.randn(3))
        self.frozen = nn.Parameter(torch.randn(6), requires_grad=False)
        self.bag = nn.ParameterList([nn.Parameter(torch.randn(6, 6)), nn.Parameter(torch.randn(1, 6, 1))])
        self.bilinear = nn.Bilinear(6, 6, 6)

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.tokens(tokens) + self.positions[: tokens.shape[1]] + self.frozen
        h = F.layer_norm(h, (6,)) * self.scale.exp()
        h = h + torch.einsum("ntd,de->nte", h, self.bag[0]).tanh() * self.bag[1].transpose(1, 2)
        h = h @ self.positions + self.bilinear(h, h).sigmoid()
        return F.linear(h, self.tokens.weight)


@network("by hand: parameters used functionally, tied, 0-dim, unused")
def _functional(n: int) -> Case:
    tokens = torch.randint(0, 11, (n, 6))

    def losses(m: nn.Module) -> Tensor:
        return F.cross_entropy(m(tokens).transpose(1, 2), tokens.roll(1, 1), reduction="none").mean(1)

    return _Functional(), losses


@network("by hand: several rows for each loss, rows in another order")
def _rows(n: int) -> Case:
    order = torch.randperm(n)

    def call(m: nn.Module, x: Tensor) -> Tensor:
        pairs = m(torch.cat([x, -x])).unflatten(0, (2, n))
        folded = m(x.repeat_interleave(3, 0) * 0.5).unflatten(0, (n, 3)).sum(1)
        return (pairs[0] - pairs[1].tanh() + folded) * m(x[order])[order.argsort()]

    return _outputs(n, nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)), call, 4)


@network("by hand: a loss that mixes samples (contrastive)")
def _contrastive(n: int) -> Case:
    def losses(m: nn.Module) -> Tensor:
        h = F.normalize(m(x.to(_dtype(m))), dim=1)
        return F.cross_entropy(h @ h.T / 0.1, torch.arange(n).roll(1), reduction="none")

    x = torch.randn(n, 4)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)), losses
