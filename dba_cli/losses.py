"""The table of losses that a config can name: what a batch is trained on, one loss per sample."""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from dba_cli.method import Registry
from dba_cli.models import MODELS

Network = Callable[[Tensor], Tensor]
Builder = Callable[..., nn.Module]
LOSSES: Registry[Builder] = Registry("loss", attributes=True)

Share = Annotated[float, Field(ge=0, lt=1)]
Epochs = Annotated[int, Field(ge=1)]


def register_loss(name: str) -> Callable[[Builder], Builder]:
    """Register what builds a loss, a class or a function, as ``loss: {kind: name}`` in a config.

    It builds a torch.nn.Module whose ``forward(network, images, labels, indices)`` returns the losses (n,) of
    the samples of a batch, each of its own sample; their mean is trained on, or what DBA selects of them.
    ``network`` maps images to logits (n, classes), ``indices`` (n,) are the samples' places in the draw.
    What it remembers from step to step stands in buffers, which become part of the checkpoint.

    Of ``samples`` (of the draw), ``classes``, ``image_shape`` (as a network's builder is given it),
    ``generator`` (a torch.Generator of the run's, on the CPU) and ``wrong_share`` (of the labels, as
    data.noise says it: for what has to be told) it is given those that its signature names. Every other
    parameter is a key of the section, with the annotation as its type.

    Raises:
        ValueError: The name is taken, or contains a colon.
    """
    return LOSSES.register(name)


@register_loss("cross_entropy")
class CrossEntropy(nn.Module):
    """Cross-entropy, the loss where none is named."""

    def __init__(
        self,
        label_smoothing: Annotated[
            Share, Field(description="Share of the label spread over all classes.")
        ] = 0.0,
    ) -> None:
        super().__init__()
        self._smoothing = label_smoothing

    def forward(self, network: Network, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Return the losses (n,)."""
        return F.cross_entropy(network(images), labels, reduction="none", label_smoothing=self._smoothing)


@register_loss("generalized_cross_entropy")
class GeneralizedCrossEntropy(nn.Module):
    """(1 - p^q) / q of the label's probability p (Zhang and Sabuncu, NeurIPS 2018).

    It has the cross-entropy as its limit at q = 0, and is the mean absolute error at q = 1.
    """

    def __init__(
        self,
        q: Annotated[float, Field(gt=0, le=1, description="From cross-entropy to absolute error.")] = 0.7,
    ) -> None:
        super().__init__()
        self._q = q

    def forward(self, network: Network, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Return the losses (n,)."""
        of_label = F.cross_entropy(network(images), labels, reduction="none")  # -log p: no underflow
        return -torch.expm1(-self._q * of_label) / self._q


@register_loss("mixup")
class Mixup(nn.Module):
    """Cross-entropy of mixed images (Zhang et al., mixup, ICLR 2018).

    Image i and another one j of the batch are mixed, a share s of the one, 1 - s of the other; the loss is
    s times that of label i plus 1 - s times that of label j. There is one s for a batch, as in the authors'
    program.
    """

    def __init__(
        self,
        generator: torch.Generator,
        alpha: Annotated[float, Field(gt=0, le=1000, description="s has the distribution Beta(a, a).")] = 1.0,
    ) -> None:
        super().__init__()
        self._generator, self._alpha = generator, alpha

    def forward(self, network: Network, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Return the losses (n,); a row is image i with what is mixed into it."""
        other = torch.randperm(len(labels), generator=self._generator).to(labels.device)
        seed = int(torch.randint(2**62, (), generator=self._generator))  # torch's Beta takes no generator
        share = float(np.random.default_rng(seed).beta(self._alpha, self._alpha))
        logits = network(share * images + (1 - share) * images.index_select(0, other))
        own, others = (F.cross_entropy(logits, y, reduction="none") for y in (labels, labels[other]))
        return share * own + (1 - share) * others


@register_loss("early_learning_regularization")
class EarlyLearningRegularization(nn.Module):
    """Cross-entropy plus a term that holds on to what was predicted early (Liu et al., NeurIPS 2020).

    A sample's target t is a running mean of its predicted probabilities p, each at least 1e-4; the term is
    ``strength * log(1 - <p, t>)``.
    """

    def __init__(
        self,
        samples: int,
        classes: int,
        strength: Annotated[float, Field(ge=0, le=1000, description="Weight of the term.")] = 3.0,
        momentum: Annotated[Share, Field(description="Share of a target that stays.")] = 0.7,
    ) -> None:
        super().__init__()
        self._strength, self._momentum = strength, momentum
        self.targets: Tensor
        self.register_buffer("targets", torch.zeros(samples, classes))

    def forward(self, network: Network, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Return the losses (n,) and move the targets of these samples."""
        logits = network(images)
        predicted = logits.softmax(1).clamp(1e-4, 1 - 1e-4)
        now = predicted.detach()
        now = now / now.sum(1, keepdim=True)
        targets = self._momentum * self.targets[indices] + (1 - self._momentum) * now
        self.targets[indices] = targets
        term = (1 - (targets * predicted).sum(1)).log()
        return F.cross_entropy(logits, labels, reduction="none") + self._strength * term


@register_loss("small_loss")
class SmallLoss(nn.Module):
    """Cross-entropy of the samples of the batch with the smallest losses alone.

    With ``model: {kind: pair}`` each of the two networks is trained on those that have the smallest losses
    by the other: co-teaching (Han et al., NeurIPS 2018). One network chooses for itself: iterative trimmed
    loss (Shen and Sanghavi, ICML 2019) in every step. Either way the share left out grows from none to
    ``rate``, in equal parts over ``ramp`` epochs.
    """

    def __init__(
        self,
        samples: int,
        wrong_share: float,
        rate: Annotated[
            Share | None,
            Field(
                description="Share of the labels that are wrong, which has to be known; null: data.noise's."
            ),
        ] = None,
        ramp: Annotated[Epochs, Field(description="Epochs until the whole share is left out.")] = 10,
    ) -> None:
        super().__init__()
        self._samples, self._rate, self._ramp = samples, wrong_share if rate is None else rate, ramp
        self.seen: Tensor
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, network: Network, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Return the losses (n,), those of both networks added, as if only what is kept were in the mean."""
        n, epoch = len(labels), int(self.seen) // self._samples
        self.seen += n
        logits = network(images)
        if logits.ndim == 2:
            logits = logits.unsqueeze(1)
        losses = F.cross_entropy(
            logits.transpose(1, 2), labels.unsqueeze(1).expand(-1, logits.shape[1]), reduction="none"
        )
        kept = max(1, round(n * (1 - self._rate * min(1, epoch / self._ramp))))
        smallest = losses.detach().argsort(dim=0, stable=True)[:kept].flip(1)  # the other network's choice
        weights = torch.zeros_like(losses).scatter_(0, smallest, n / kept)
        return (weights * losses).sum(1)


@register_loss("two_groups")
class TwoGroups(nn.Module):
    """Cross-entropy of the samples in the lower of two groups of losses, the split of DivideMix.

    Each sample's last loss is remembered. After ``warm_up`` epochs, once an epoch, a mixture of two Gaussians
    is fitted to all of them, scaled to [0, 1]; a sample takes part while its probability of the Gaussian with
    the lower mean is above ``threshold`` (Li, Socher and Hoi, ICLR 2020; Arazo et al. 2019 fit Betas). The
    semi-supervised half of DivideMix, two networks with guessed labels, is left out: what is dropped here is
    dropped.
    """

    def __init__(
        self,
        samples: int,
        warm_up: Annotated[Epochs, Field(description="Epochs on every sample.")] = 10,
        threshold: Annotated[Share, Field(description="Probability above which one takes part.")] = 0.5,
    ) -> None:
        super().__init__()
        self._warm_up, self._threshold = warm_up, threshold
        self.last: Tensor
        self.kept: Tensor
        self.seen: Tensor
        self.register_buffer("last", torch.full((samples,), torch.nan))
        self.register_buffer("kept", torch.ones(samples))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, network: Network, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Return the losses (n,), as if only what takes part were in the mean; none does, all are 0."""
        losses = F.cross_entropy(network(images), labels, reduction="none")
        before, samples = int(self.seen), len(self.last)
        self.seen += len(labels)
        self.last[indices] = losses.detach()
        epoch = int(self.seen) // samples
        kept = self.kept[indices]
        if epoch > before // samples and epoch >= self._warm_up:  # from the next step on
            known = self.last.isfinite()  # all but what early stopping holds out
            self.kept[known] = (_lower_group(self.last[known]) > self._threshold).to(self.kept)
        return losses * kept * (len(kept) / kept.sum().clamp_min(1))


def _lower_group(losses: Tensor) -> Tensor:
    """Return each loss's probability of the Gaussian with the lower mean, (n,), as DivideMix fits it."""
    from sklearn.mixture import GaussianMixture

    values = losses.double().cpu().numpy().reshape(-1, 1)
    values = (values - values.min()) / max(values.max() - values.min(), 1e-12)
    mixture = GaussianMixture(2, max_iter=10, tol=1e-2, reg_covar=5e-4, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ten iterations need not converge; equal losses have one cluster
        mixture.fit(values)
    lower = mixture.predict_proba(values)[:, mixture.means_.argmin()]
    return torch.from_numpy(lower).to(losses)


@register_loss("distillation")
class Distillation(nn.Module):
    """Cross-entropy with what larger networks answer, which learn from the same batches first.

    In the first ``steps`` steps every teacher learns from the labels of the batch, as the network does. From
    then on the teachers stay as they are, and the network learns their mean probabilities of the very images
    that it sees (Hinton, Vinyals and Dean 2015; Beyer et al. 2022). No teacher sees another image or label;
    each image is brought to mean 0 and deviation 1 for them.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        classes: int,
        generator: torch.Generator,
        steps: Annotated[int, Field(ge=1, description="Of the teachers' training, from the run's first.")],
        teacher: Annotated[str, Field(description="Kind of network; its keys are the others.")] = "cnn",
        teachers: Annotated[int, Field(ge=1, le=100, description="How many; only their weights differ.")] = 1,
        lr: Annotated[float, Field(gt=0, description="Of their AdamW; rises, then falls to 0.")] = 0.002,
        weight_decay: Annotated[float, Field(ge=0, description="Of their AdamW.")] = 0.05,
        label_smoothing: Annotated[
            Share, Field(description="Of all networks, while they learn labels.")
        ] = 0.0,
        **arguments: Any,
    ) -> None:
        super().__init__()
        self._steps, self._lr, self._smoothing, self._generator = steps, lr, label_smoothing, generator
        with self._seeded():
            built = [
                MODELS[teacher](image_shape=image_shape, classes=classes, **arguments)
                for _ in range(teachers)
            ]
        # On a CPU convolutions take half the time where the channels of a pixel lie together.
        self.teachers = nn.ModuleList(built)
        self.teachers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimizer = torch.optim.AdamW(self.teachers.parameters(), lr, weight_decay=weight_decay)
        self.seen: Tensor
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, network: Network, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Return the losses (n,); let the teachers learn while it is their time."""
        step = int(self.seen)
        self.seen += 1
        teaching = step >= self._steps
        self.teachers.train(not teaching)
        with torch.set_grad_enabled(not teaching), self._seeded():
            answers = [teacher(_even(images)).float() for teacher in self.teachers]
        if teaching:
            targets = torch.stack(answers).softmax(2).mean(0)
            return F.cross_entropy(network(images), targets, reduction="none")
        losses = [F.cross_entropy(each, labels, label_smoothing=self._smoothing) for each in answers]
        self._optimizer.zero_grad()
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        for group in self._optimizer.param_groups:
            group["lr"] = self._lr * _risen_and_fallen(step, self._steps)
        self._optimizer.step()
        return F.cross_entropy(network(images), labels, reduction="none", label_smoothing=self._smoothing)

    def get_extra_state(self) -> dict[str, Any]:
        """Return the state of the teachers' optimizer."""
        return self._optimizer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._optimizer.load_state_dict(state)

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        # Initial weights and dropout draw from torch's global state.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=self._generator)))
            yield


def _even(images: Tensor) -> Tensor:
    """Return images each with mean 0 and deviation 1, in the teachers' memory format; a table as it is."""
    if images.ndim == 2:
        return images
    return F.layer_norm(images, images.shape[1:]).contiguous(memory_format=torch.channels_last)


def _risen_and_fallen(step: int, steps: int) -> float:
    """Return the factor of a learning rate: a rise over a twentieth of the steps, then half a cosine."""
    rise = math.ceil(steps / 20)
    return min(1, (step + 1) / rise) * (1 + math.cos(math.pi * max(0, step - rise) / steps)) / 2
