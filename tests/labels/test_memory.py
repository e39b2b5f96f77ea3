"""The training that remembers, against DBA itself, by hand, and stopped in the middle."""

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
    ours.update(batch, KEPT)
    model, data = theirs._model, theirs._data
    dba = DynamicBatch(model, rule="tests-remembered", scope="model")
    losses = nn.functional.cross_entropy(model(data.images[batch]), data.labels[batch], reduction="none")
    dba.backward(losses)
    theirs._optimizer.step()
    for one, other in zip(ours._model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_of_no_sample_there_is_no_step() -> None:
    ours = training()
    before = [each.clone() for each in ours._model.parameters()]
    ours.update(torch.arange(10), torch.zeros(10, dtype=torch.bool))
    assert all(map(torch.equal, before, ours._model.parameters()))


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


def test_what_is_contradicted_for_half_of_the_epochs_is_left_out() -> None:
    seen = []

    class Watched(MemoryTraining):
        def update(self, batch: Tensor, kept: Tensor) -> None:
            seen.append((self.epoch, set(batch[kept].tolist())))
            super().update(batch, kept)

    ours = training()
    ours.__class__ = Watched
    for _ in range(3):
        ours.advance()
    good = set((ours._memory > 0).nonzero().flatten().tolist())
    for label in range(CLASSES):  # of a class that is not learned yet the better half stays
        members = [i for i in range(N) if ours._data.labels[i] == label]
        good |= set(sorted(members, key=lambda i: -ours._memory[i])[: len(members) // 2 + 1])
    assert CLASSES < len(good) < N
    ours.advance()
    used = [set().union(*(kept for epoch, kept in seen if epoch == k)) for k in range(4)]
    assert used == [set(range(N))] * 3 + [good]


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
