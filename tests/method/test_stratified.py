import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dba_cli import DynamicBatch
from dba_cli.method._rules import RULES, select_stratified

from . import reference
from .problems import gradients_of, problem_of

LABELS = torch.tensor([2, 0, 0, 2, 1, 2, 2, 0, 0, 0])


@pytest.mark.parametrize("rule", [name for name in RULES if not name.startswith("tests-")])
def test_every_class_keeps_its_share(rule: str) -> None:
    problem = problem_of(gradients_of(10, 1), min_fraction=0.5, labels=LABELS)
    weights = select_stratified(RULES[rule], problem)
    for label in range(3):
        share = (label == LABELS).double().mean()
        torch.testing.assert_close(weights[:, label == LABELS].sum(1), share.expand(2))


def test_within_a_class_samples_are_sorted_by_the_mean_of_the_whole_batch() -> None:
    gradients = gradients_of(10, 1)
    weights = select_stratified(
        RULES["top_k"], problem_of(gradients, order="projection", size=5, labels=LABELS)
    )
    for layer, row in zip(gradients, weights, strict=True):
        samples = reference.sorted_samples("projection", layer)
        sizes = [int((row[label == LABELS] > 0).sum()) for label in range(3)]
        assert sum(sizes) == 5
        for label, size in enumerate(sizes):
            expected = [i for i in samples if LABELS[i] == label][:size]
            assert sorted(expected) == [i for i in range(10) if row[i] > 0 and LABELS[i] == label]


def test_of_more_classes_than_samples_allowed_some_are_drawn() -> None:
    gradients = gradients_of(10, 1)
    problem = problem_of(gradients, size=2, labels=LABELS)
    seen = set()
    for _ in range(40):
        weights = select_stratified(RULES["top_k"], problem)[0]
        labels = LABELS[weights > 0].tolist()
        shares = [int((label == LABELS).sum()) for label in labels]
        torch.testing.assert_close(weights[weights > 0], torch.tensor(shares).double() / sum(shares))
        seen.add(tuple(sorted(labels)))
    assert seen == {(0, 1), (0, 2), (1, 2)}


def test_backward_takes_the_labels() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    dba = DynamicBatch(model, stratified=True, size=6, rule="top_k")

    def losses() -> torch.Tensor:
        return F.cross_entropy(model(torch.randn(10, 4)), LABELS, reduction="none")

    selection = dba.backward(losses(), labels=LABELS)
    assert selection.sizes == {"": 6}
    with pytest.raises(ValueError, match="labels=labels"):
        dba.backward(losses())
    with pytest.raises(ValueError, match=r"labels must have shape \(10,\)"):
        dba.backward(losses(), labels=LABELS[:5])
