"""What a trial decides before it trains, and what it says afterwards, by hand."""

import pytest
import torch
from scipy import stats

from dba_cli.config import ModelConfig
from dba_cli.training import build_model
from dba_cli.trial._budget import affordable, first_rates, further_rates
from dba_cli.trial._template import network
from dba_cli.trial._verdict import difference, sentence

STEP = {"sgd": 0.01, "adam": 0.01, "dba": 0.02, "random": 0.02}


class Pretended:
    """A row of a comparison: test errors by seed, of 50 test and 200 training samples."""

    def __init__(self, errors: list[int], selects: bool = False) -> None:
        self.errors = dict(enumerate(errors))
        self.selects = selects
        self.runs = [type("Run", (), {"data": type("Data", (), {"n_test": 50, "n_train": 200})})]


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((13,), "mlp"), ((1, 8, 8), "mlp"), ((3, 16, 40), "cnn"), ((1, 28, 28), "cnn"), ((3, 96, 96), "cnn")],
)
def test_the_network_fits_whatever_shape(shape: tuple[int, ...], kind: str) -> None:
    model = ModelConfig.model_validate(network(shape))
    assert model.kind == kind
    built = build_model(model, shape, 3, torch.Generator())
    assert built(torch.rand(2, *shape)).shape == (2, 3)
    if kind == "cnn":
        assert built[-1].in_features <= 64 * 25


@pytest.mark.parametrize("minutes", [1, 2, 5, 20, 1000])
def test_a_plan_takes_the_time_that_there_is(minutes: int) -> None:
    amount = affordable(STEP, 0.1, 1000, 60 * minutes, jobs=2)
    assert amount.seconds <= 60 * minutes or amount.steps == 50
    more = affordable(STEP, 0.1, 1000, 120 * minutes, jobs=2)
    assert (more.steps, more.seconds) >= (amount.steps, min(amount.seconds, 60 * minutes))
    assert affordable(STEP, 0.1, 1000, 1e9, jobs=1).seeds == 10


def test_what_was_fixed_stays_fixed() -> None:
    amount = affordable(STEP, 0.1, 1000, 1, jobs=2, steps_fixed=True, seeds=2)
    assert (amount.steps, amount.seeds, amount.tuning) == (1000, 2, 1)


def test_rates_begin_around_the_middle_and_go_on_from_the_best() -> None:
    assert [first_rates(0.1, n) for n in (3, 4, 5)] == [[0.03, 0.1], [0.03, 0.1], [0.03, 0.1, 0.3]]
    assert first_rates(900, 5) == [300, 900, 1000]
    assert further_rates([0.03, 0.1, 0.3], 0.03, 2) == [0.003, 0.01]
    assert further_rates([0.03, 0.1, 0.3], 0.3, 2) == [0.9, 3]
    assert further_rates([0.03, 0.1, 0.3], 0.1, 2) == [0.05, 0.2]
    assert further_rates([0.03, 0.1], 0.1, 1) == [0.3]
    assert further_rates([300, 1000], 1000, 2) == [1000]


def test_splits_of_the_same_samples_have_a_wider_interval() -> None:
    ours, theirs = Pretended([3, 4, 2, 5], selects=True), Pretended([5, 4, 5, 6])
    points = [4.0, 0.0, 6.0, 2.0]
    plain = stats.sem(points) * stats.t.ppf(0.975, 3)
    for resampled, wider in ((False, 1), (True, (1 + 4 * 50 / 200) ** 0.5)):
        found = difference(ours, theirs, resampled=resampled)
        assert (found.mean, found.n) == (3.0, 4)
        assert found.half_width == pytest.approx(wider * plain)


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        (
            [1, 2, 1],
            "DBA made 12.7 ± 3.8 points fewer errors than the best of SGD and Adam (Adam), paired over 3",
        ),
        ([20, 21, 20], "DBA made 25.3 ± 3.8 points more errors than "),
        ([8, 7, 9], "No difference shown: DBA made 0.7 ± "),
        ([6, 7, 6], "No difference shown: DBA made 2.7 ± "),
        ([7, 7, 7], "No difference shown: DBA made 1.3 ± "),
    ],
)
def test_a_difference_is_said_only_where_the_interval_leaves_zero_out(ours: list[int], said: str) -> None:
    rows = {"sgd": Pretended([9, 9, 9]), "adam": Pretended([8, 8, 7]), "dba": Pretended(ours, selects=True)}
    assert sentence(rows, "dba", "adam", resampled=True, best=True).startswith(said)


def test_differences_that_are_all_alike_show_nothing() -> None:
    rows = {"sgd": Pretended([9, 9]), "dba": Pretended([8, 8], selects=True)}
    assert sentence(rows, "dba", "sgd", resampled=False, best=True).startswith("No difference shown")
    one = {"sgd": Pretended([9]), "dba": Pretended([8], selects=True)}
    assert "fewer than two pairs" in sentence(one, "dba", "sgd", resampled=False, best=True)
