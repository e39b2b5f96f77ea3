"""What a comparison says about one question: whether DBA makes fewer errors than another optimizer."""

from collections.abc import Mapping
from math import sqrt

from dba_cli.comparison import Estimate, Row, called, mean_with_interval


def difference(ours: Row, theirs: Row, *, resampled: bool) -> Estimate | None:
    """Return how many points of error rate ``ours`` saved, paired by seed; None without two pairs.

    Where the seeds ``resampled`` hold-outs from the same samples, their training sets overlap and the plain t
    interval is too narrow: its variance is multiplied by 1 + n * n_test / n_train for n splits (the corrected
    resampled t test, Nadeau and Bengio 2003).
    """
    seeds = sorted(ours.errors.keys() & theirs.errors.keys())
    if len(seeds) < 2:
        return None
    data = ours.runs[0].data
    estimate = mean_with_interval(
        [100 * (theirs.errors[seed] - ours.errors[seed]) / data.n_test for seed in seeds]
    )
    assert estimate.half_width is not None
    wider = sqrt(1 + len(seeds) * data.n_test / data.n_train) if resampled else 1.0
    return Estimate(estimate.mean, wider * estimate.half_width, estimate.n)


def sentence(rows: Mapping[str, Row], subject: str, other: str, *, resampled: bool, best: bool) -> str:
    """Return what the runs of ``subject`` and ``other`` say, in one sentence.

    ``best``: ``other`` is the best of the optimizers that do not select, on held-out data.
    """
    against = called(other)
    if best:
        among = [called(name) for name, row in rows.items() if not row.selects]
        against = f"the best of {' and '.join(among)} ({against})" if len(among) > 1 else against
    ours, found = called(subject), difference(rows[subject], rows[other], resampled=resampled)
    if found is None:
        return f"No difference shown: fewer than two pairs of {ours} and {against} have ended with figures."
    pairs = f"paired over {found.n} {'splits' if resampled else 'seeds'}"
    words = f"{abs(found.mean):.1f} ± {found.half_width:.1f} points {'fewer' if found.mean >= 0 else 'more'}"
    if not found.half_width or abs(found.mean) <= found.half_width:
        return f"No difference shown: {ours} made {words} errors than {against}, {pairs}."
    return f"{ours} made {words} errors than {against}, {pairs}."
