"""The training that remembers: each sample's margin, whose sign decides what the next steps are made of."""

from collections.abc import Iterable
from math import ceil, isfinite

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dba_cli.errors import UserError
from dba_cli.training import State, TensorData, predict

EPOCHS = 25
"""Of these the first half, rounded down, use every sample."""
_OLD = 0.9  # share of the memory that a new margin leaves
_CLEAR = 0.25  # of the median size of what is remembered: a contradiction beyond it is a clear one


class MemoryTraining:
    """Training in which the batch adapts to what is remembered of its samples; one epoch at a time.

    The margin of a sample is its label's logit minus the largest other logit; the memory is its running mean
    over the epochs. In their second half a step uses a batch of samples whose label the network has not
    clearly contradicted, and in any case the better half of each class: those are left out whose remembered
    margin is below zero by more than a quarter of the median size of all. It is DBA with one subset for all
    layers, chosen by the memory, so that no gradient of a single sample is needed. The others are looked at
    once an epoch, so that they may come back, and what is said of them is nothing that the network was just
    taught.

    The mean margin over the second half is the area under the margin of Pleiss et al. (NeurIPS 2020,
    arXiv 2001.10528), here of a training that leaves out what it contradicts.

    Args:
        model: the network, on the device of the data; logits (n, classes).
        optimizer: of its parameters.
        data: samples and the labels in doubt.
        classes: how many.
        batch_size: candidates of a step.
        order: shuffles each epoch; a CPU generator.
        epochs: 2 or more.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        data: TensorData,
        classes: int,
        batch_size: int,
        order: torch.Generator,
        epochs: int = EPOCHS,
    ) -> None:
        self._model, self._optimizer, self._data = model, optimizer, data
        self._batch_size, self._sizes = batch_size, torch.bincount(data.labels)
        self._order = order
        self._parameters = [each for group in optimizer.param_groups for each in group["params"]]
        self.epochs, self.epoch, self._plain = epochs, 0, epochs // 2
        self._memory, self._margins = torch.zeros(2, len(data), device=data.labels.device)
        self._logits, self._probabilities = torch.zeros(2, len(data), classes, device=data.labels.device)

    @property
    def margins(self) -> Tensor:
        """Mean margin of each sample over the second half so far, (n,): negative where contradicted."""
        return torch.div(self._margins, self._counted).cpu()

    @property
    def probabilities(self) -> Tensor:
        """Mean predicted probabilities over the second half so far, (n, classes)."""
        return torch.div(self._probabilities, self._counted).cpu()

    @property
    def _counted(self) -> int:
        return max(1, self.epoch - self._plain)

    def advance(self) -> bool:
        """Train one epoch, each sample once; return whether it was the last.

        Raises:
            UserError: A loss is not finite.
        """
        selecting = self.epoch >= self._plain
        order = torch.randperm(len(self._data), generator=self._order).to(self._memory.device)
        kept = self._agreed() if selecting else None
        batches = list(self._batches(order, kept))
        logits = [self.update(batch) for batch in batches]
        dropped = order[:0] if kept is None else (~kept).nonzero().flatten()
        if len(dropped):
            batches.append(dropped)
            logits.append(predict(self._model, self._data.images_at(dropped)))
        self._logits.index_copy_(0, torch.cat(batches), torch.cat(logits))
        margins = margins_of(self._logits, self._data.labels)
        if not isfinite(margins.sum()):
            raise UserError(
                f"training diverged in epoch {self.epoch + 1}: give a smaller learning rate, such as --set"
                " optimizers.adam.lr=0.0001"
            )
        self._memory = margins.lerp(self._memory, _OLD) if self.epoch else margins
        if selecting:
            self._margins += margins
            self._probabilities += self._logits.softmax(1)
        self.epoch += 1
        return self.epoch >= self.epochs

    def _batches(self, order: Tensor, kept: Tensor | None) -> Iterable[Tensor]:
        """Return the samples of each step: those of an order that are kept, a batch at most in each."""
        if kept is not None:
            order = order[kept[order]]
        return order.tensor_split(ceil(len(order) / self._batch_size))

    def update(self, batch: Tensor) -> Tensor:
        """Make a step of the samples at some indices, (n,); return their logits before it, (n, classes)."""
        logits: Tensor = self._model(self._data.images_at(batch))
        for parameter in self._parameters:  # optimizer.zero_grad, at a tenth of its price
            parameter.grad = None
        F.cross_entropy(logits, self._data.labels.index_select(0, batch)).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return logits.detach()

    def _agreed(self) -> Tensor:
        """Return which samples are kept, (n,): half of each class at least, so that no rare one is lost."""
        labels, memory = self._data.labels, self._memory
        kept: Tensor = memory > -_CLEAR * memory.abs().median()
        numbers = torch.bincount(labels[kept], minlength=len(self._sizes))
        for label in (2 * numbers < self._sizes).nonzero().flatten().tolist():
            members = labels == label
            kept |= members & (memory >= memory[members].median())
        return kept

    def state_dict(self) -> State:
        """Return the whole state after an epoch."""
        return {
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "order": self._order.get_state(),
            "memory": self._memory,
            "margins": self._margins,
            "probabilities": self._probabilities,
            "epoch": self.epoch,
        }

    def load_state_dict(self, state: State) -> None:
        """Go on from the state of the same training."""
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._order.set_state(state["order"])
        for mine, its in (
            (self._memory, state["memory"]),
            (self._margins, state["margins"]),
            (self._probabilities, state["probabilities"]),
        ):
            mine.copy_(its)
        self.epoch = int(state["epoch"])


def margins_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the label's logit minus the largest other one, (n,)."""
    of_label = logits.gather(1, labels.unsqueeze(1)).squeeze(1)
    others = logits.scatter(1, labels.unsqueeze(1), -torch.inf)
    return of_label - others.amax(1)
