"""The losses of the table, one sample at a time against their formulas, and what the peers keep."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn

from dba_cli.config import LossConfig, from_data
from dba_cli.errors import UserError
from dba_cli.models import MODELS

N, CLASSES, SHAPE = 6, 3, (1, 4, 4)
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
WHERE = torch.arange(N)
LOGITS = torch.randn(N, CLASSES, generator=torch.Generator().manual_seed(0))


def loss(samples: int = N, **keys: object) -> nn.Module:
    generator = torch.Generator().manual_seed(7)
    return LossConfig.model_validate(keys).build(samples, CLASSES, SHAPE, generator)


def of(module: nn.Module, logits: Tensor = LOGITS) -> list[float]:
    """Return the losses where the network is the identity on the logits."""
    found: Tensor = module(lambda images: images, logits, LABELS, WHERE)
    return found.tolist()


def probabilities(logits: Tensor = LOGITS) -> list[list[float]]:
    rows = [[math.exp(v) for v in row] for row in logits.tolist()]
    return [[v / sum(row) for v in row] for row in rows]


ENTROPIES = [-math.log(p[y]) for p, y in zip(probabilities(), LABELS.tolist(), strict=True)]


def test_generalized_cross_entropy_by_hand() -> None:
    for q in (0.3, 0.7, 1.0):
        expected = [(1 - math.exp(-h) ** q) / q for h in ENTROPIES]
        assert of(loss(kind="generalized_cross_entropy", q=q)) == pytest.approx(expected, rel=1e-5)


def test_generalized_cross_entropy_has_a_finite_gradient_of_a_hopeless_sample() -> None:
    logits = torch.tensor([[-200.0, 0.0, 0.0]] * N, requires_grad=True)
    loss(kind="generalized_cross_entropy")(lambda x: x, logits, LABELS, WHERE).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_early_learning_regularization_remembers_each_sample() -> None:
    module = loss(kind="early_learning_regularization", strength=2.0, momentum=0.6)
    p = probabilities()
    target = [[0.4 * v for v in row] for row in p]
    for _ in range(2):
        inner = [
            sum(a * b for a, b in zip(row, own, strict=True)) for row, own in zip(target, p, strict=True)
        ]
        expected = [h + 2 * math.log(1 - v) for h, v in zip(ENTROPIES, inner, strict=True)]
        assert of(module) == pytest.approx(expected, rel=1e-4)
        target = [[0.6 * a + 0.4 * b for a, b in zip(row, own, strict=True)]
                  for row, own in zip(target, p, strict=True)]  # fmt: skip


def test_mixup_mixes_images_and_losses_alike() -> None:
    seen: list[Tensor] = []
    generator = torch.Generator().manual_seed(7)
    other = torch.randperm(N, generator=generator)
    seed = int(torch.randint(2**62, (), generator=generator))
    share = np.random.default_rng(seed).beta(0.5, 0.5)

    def network(images: Tensor) -> Tensor:
        seen.append(images)
        return images

    found = loss(kind="mixup", alpha=0.5)(network, LOGITS, LABELS, WHERE)
    mixed = share * LOGITS + (1 - share) * LOGITS[other]
    torch.testing.assert_close(seen[0], mixed)
    targets = share * F.one_hot(LABELS) + (1 - share) * F.one_hot(LABELS[other])
    torch.testing.assert_close(found, -(targets * mixed.log_softmax(1)).sum(1))


def test_small_losses_alone_and_more_left_out_from_epoch_to_epoch() -> None:
    module = loss(kind="small_loss", rate=0.5, ramp=2)
    for kept in (6, 4, 3, 3):  # round(6 x 0.75) is 4: halves go to the even number
        least = sorted(ENTROPIES)[:kept]
        expected = [h * N / kept if h in least else 0 for h in ENTROPIES]
        assert of(module) == pytest.approx(expected, rel=1e-5)


def test_what_has_to_be_told_how_much_is_wrong_is_told_what_the_noise_is() -> None:
    generator = torch.Generator().manual_seed(7)
    module = LossConfig.model_validate({"kind": "small_loss", "ramp": 1}).build(
        N, CLASSES, SHAPE, generator, 0.5
    )
    assert of(module) == of(loss(kind="small_loss", rate=0.5, ramp=1))
    assert of(module) == pytest.approx([2 * h if h in sorted(ENTROPIES)[:3] else 0 for h in ENTROPIES])


def test_in_co_teaching_each_network_learns_what_the_other_finds_easy() -> None:
    module = loss(kind="small_loss", rate=0.5, ramp=1)
    both = torch.stack([LOGITS, LOGITS.flip(1)], 1)
    of(module, both)
    both.requires_grad_()
    module(lambda x: x, both, LABELS, WHERE).mean().backward()
    trained = (both.grad != 0).any(2)
    for own, other in ((0, 1), (1, 0)):
        easy = F.cross_entropy(both[:, other], LABELS, reduction="none").argsort()[:3]
        assert sorted(trained[:, own].nonzero().flatten().tolist()) == sorted(easy.tolist())


def test_the_lower_of_two_groups_takes_part() -> None:
    generator = torch.Generator().manual_seed(3)
    n = 200
    labels = torch.randint(0, CLASSES, (n,), generator=generator)
    wrong = torch.arange(n) < 60
    logits = 4.0 * F.one_hot(torch.where(wrong, (labels + 1) % CLASSES, labels)) + torch.rand(
        n, CLASSES, generator=generator
    )
    module = loss(n, kind="two_groups", warm_up=1)
    where = torch.arange(n)
    first, second = (module(lambda x: x, logits, labels, where) for _ in range(2))
    entropies = F.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(first, entropies)
    values = entropies.numpy().reshape(-1, 1)
    groups = GaussianMixture(2, random_state=1).fit(values)
    expected = torch.from_numpy(groups.predict(values) == groups.means_.argmin())
    assert torch.equal(expected, ~wrong)
    torch.testing.assert_close(second, entropies * expected * (n / expected.sum()))


def test_equal_losses_are_one_group_and_finite() -> None:
    module = loss(kind="two_groups", warm_up=1)
    same = torch.zeros(N, CLASSES)
    of(module, same)
    assert all(map(math.isfinite, of(module, same)))


def test_a_pair_is_two_networks_that_answer_as_one() -> None:
    model = MODELS["pair"]((1, 4, 4), CLASSES, hidden=[5])
    images = torch.rand(2, 1, 4, 4)
    both = model(images)
    assert both.shape == (2, 2, CLASSES)
    assert not torch.equal(both[:, 0], both[:, 1])
    torch.testing.assert_close(model.eval()(images), (both[:, 0] + both[:, 1]) / 2)


DATA = {
    "experiment": {"name": "x"},
    "data": {"draw": {"per_class": 10}},
    "model": {"kind": "mlp"},
    "training": {"steps": 1},
    "optimizers": [{"name": "sgd", "kind": "sgd", "lr": 0.1}],
    "seeds": [0],
}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["training.loss={kind: generalised_cross_entropy}"], "did you mean 'generalized_cross_entropy'"),
        (
            ["optimizers.sgd.loss={kind: mixup, alpha: 0}"],
            "optimizers.sgd.loss.alpha: input should be",
        ),
        (["training.loss={kind: mixup, alfa: 1}"], "unknown key 'alfa'; did you mean 'alpha'"),
        (["training.loss={kind: small_loss, rate: 1}"], "training.loss.rate: input should be less than 1"),
        (["training.loss={kind: mixup}", "training.label_smoothing=0.1"], "leave one of the two out"),
        (["model.kind=pair"], "optimizer sgd has another one"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(words: list[str], said: str) -> None:
    with pytest.raises(UserError) as error:
        from_data(DATA, words)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_distillation_is_of_labels_until_the_teachers_have_learnt_them() -> None:
    keys = {"teacher": "mlp", "hidden": [5], "teachers": 2, "lr": 0.02, "label_smoothing": 0.2}
    module = loss(kind="distillation", steps=3, **keys)
    images = torch.rand(N, *SHAPE, generator=torch.Generator().manual_seed(1))
    std, mean = torch.std_mean(images, (1, 2, 3), correction=0, keepdim=True)
    even = (images - mean) / (std**2 + 1e-5).sqrt()
    student = nn.Sequential(nn.Flatten(), nn.Linear(16, CLASSES))
    by_hand = deepcopy(module.teachers)
    assert by_hand[0].output.weight.ne(by_hand[1].output.weight).any()
    optimizers = [torch.optim.AdamW(each.parameters(), weight_decay=0.05) for each in by_hand]
    for rate in (0.02, 0.02, 0.015):  # risen in the first step; half a cosine: 1, 1, 3/4
        losses = module(student, images, LABELS, WHERE)
        smoothed = F.cross_entropy(student(images), LABELS, reduction="none", label_smoothing=0.2)
        assert losses.tolist() == pytest.approx(smoothed.tolist())
        for each, optimizer in zip(by_hand, optimizers, strict=True):
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
            F.cross_entropy(each(even), LABELS, label_smoothing=0.2).backward()
            optimizer.step()
    answers = sum(each(even).softmax(1) for each in by_hand) / 2
    for _ in range(2):  # from now on the teachers stay
        found = module(student, images, LABELS.flip(0), WHERE)
        assert found.tolist() == pytest.approx((-answers * student(images).log_softmax(1)).sum(1).tolist())
        found.sum().backward()


def test_a_teacher_that_cannot_be_built_is_an_error_of_the_config() -> None:
    for keys in ({"teacher": "cmm"}, {"hiden": [3]}):
        with pytest.raises(ValueError, match="loss distillation cannot be made"):
            loss(kind="distillation", steps=3, **keys)
