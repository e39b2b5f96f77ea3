"""The training that remembers, against DBA itself, by hand, and stopped in the middle."""

from itertools import chain

import pytest
import torch
from torch import Tensor, nn

from dba_cli.errors import UserError
from dba_cli.labels import MemoryTraining
from dba_cli.labels._memory import margins_of
from dba_cli.method import DynamicBatch, SelectionProblem, register_rule
from dba_cli.training import TensorData

CLASSES, N = 3, 40
KEPT = torch.arange(10) % 3 != 0


@register_rule("tests-remembered")
def remembered(problem: SelectionProblem) -> Tensor:
    return (KEPT / KEPT.sum()).to(problem.dtype).expand(problem.shape)


def training(lr: float = 0.1, epochs: int = 6) -> MemoryTraining:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, CLASSES))
    samples = torch.randn(N, 5)
    labels = (samples[:, 0] > 0).long() + (samples[:, 1] > 1).long()
    labels[::7] = (labels[::7] + 1) % CLASSES
    data = TensorData(samples, labels)
    optimizer = torch.optim.SGD(model.parameters(), lr, 0.9)
    return MemoryTraining(model, optimizer, data, CLASSES, 16, torch.Generator().manual_seed(1), epochs)


def test_a_step_is_that_of_dba_with_one_subset_for_all_layers() -> None:
    ours, theirs = training(), training()
    batch = torch.randperm(N)[:10]
    ours.update(batch[KEPT])
    model, data = theirs._model, theirs._data
    dba = DynamicBatch(model, rule="tests-remembered", scope="model")
    losses = nn.functional.cross_entropy(model(data.images[batch]), data.labels[batch], reduction="none")
    dba.backward(losses)
    theirs._optimizer.step()
    for one, other in zip(ours._model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_margin_is_the_label_less_the_best_other_class() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0], [0.0, 0.0, -1.0]])
    assert margins_of(logits, torch.tensor([1, 2, 2])).tolist() == [1.0, -1.0, -1.0]


@pytest.mark.parametrize("epochs", [2, 5])
def test_every_sample_is_looked_at_once_an_epoch_whether_kept_or_not(epochs: int) -> None:
    still = training(lr=0.0, epochs=epochs)  # a network that never changes
    logits = still._model(still._data.images).detach()
    assert [still.advance() for _ in range(epochs)] == [False] * (epochs - 1) + [True]
    assert (still.margins < 0).any()
    torch.testing.assert_close(still.margins, margins_of(logits, still._data.labels))
    torch.testing.assert_close(still.probabilities, logits.softmax(1))


def test_what_is_clearly_contradicted_after_half_of_the_epochs_is_left_out() -> None:
    seen: list[tuple[int, list[int]]] = []

    class Watched(MemoryTraining):
        def update(self, batch: Tensor) -> Tensor:
            seen.append((self.epoch, batch.tolist()))
            return super().update(batch)

    ours = training()
    ours.__class__ = Watched
    for _ in range(3):
        ours.advance()
    memory, labels = ours._memory.tolist(), ours._data.labels.tolist()
    limit = -0.25 * sorted(map(abs, memory))[(N - 1) // 2]
    good = {i for i in range(N) if memory[i] > limit}
    for label in range(CLASSES):  # of a class that is not learned yet the better half stays
        members = [i for i in range(N) if labels[i] == label]
        if 2 * len(good & set(members)) < len(members):
            good |= set(sorted(members, key=lambda i: -memory[i])[: len(members) // 2 + 1])
    assert CLASSES < len(good) < N
    ours.advance()
    used = [[batch for epoch, batch in seen if epoch == k] for k in range(4)]
    assert [set(chain.from_iterable(batches)) for batches in used] == [set(range(N))] * 3 + [good]
    for batches in used:  # each once, in full batches as equal as can be
        sizes = [len(batch) for batch in batches]
        assert sum(sizes) == len(set(chain.from_iterable(batches)))
        assert max(sizes) <= min(16, min(sizes) + 1)
        assert len(sizes) == -(-sum(sizes) // 16)


def test_it_goes_on_to_the_bit() -> None:
    whole, first, second = training(), training(), training()
    while not whole.advance():
        pass
    for _ in range(4):
        first.advance()
    second.load_state_dict(first.state_dict())
    while not second.advance():
        pass
    assert torch.equal(whole.margins, second.margins)
    assert torch.equal(whole.probabilities, second.probabilities)


def test_a_divergence_is_said() -> None:
    wild = training(lr=1e38)
    with pytest.raises(UserError, match="diverged in epoch"):
        all(not wild.advance() for _ in range(6))
