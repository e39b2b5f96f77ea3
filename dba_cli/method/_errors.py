"""What can go wrong in training itself, apart from wrong use."""


class NonFiniteError(ValueError):
    """A loss or a per-sample gradient is infinite or NaN, or overflows when squared: training diverged."""
