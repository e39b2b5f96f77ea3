from dba_cli.plots import Line, Run
from dba_cli.plots._series import band

from .samples import history


def test_a_band_has_the_steps_that_all_seeds_have() -> None:
    runs = [Run(0, history([0.1, 0.5, 0.7])), Run(1, history([0.3, 0.5]))]
    found = band(runs, "steps")
    assert found.x.tolist() == [0, 10]
    assert found.mean.tolist() == [0.2, 0.5]


def test_intervals_end_at_none_and_all() -> None:
    found = band([Run(0, history([0.0, 1.0])), Run(1, history([0.5, 0.6]))], "steps")
    assert found.low.tolist() == [0, 0]
    assert found.high.tolist() == [1, 1]


def test_nothing_to_average() -> None:
    assert len(band([], "steps").x) == 0
    assert len(band([Run(0, history([0.1, 0.5]))], "steps", lambda point: None).x) == 0


def test_a_value_that_is_missing_at_a_step_leaves_the_step_out() -> None:
    found = band([Run(0, history([0.1, 0.5, 0.7]))], "samples", lambda point: point.train_loss)
    assert found.x.tolist() == [1000, 2000]


def test_the_legend_says_what_the_mean_is_not_over() -> None:
    good, gone = Run(0, history([0.1])), Run(1, history([0.1]), diverged=True)
    assert Line("a", [good], 1).legend == Line("a", [good]).legend == "a"
    assert Line("a", [good], 3).legend == "a (2 of 3 seeds missing)"
    assert Line("a", [good, gone], 2).legend == "a (1 of 2 diverged)"
    assert Line("a", [good, gone], 4).legend == "a (1 of 4 diverged, 2 of 4 seeds missing)"
