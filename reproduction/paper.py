"""What the paper's abstract claims (arXiv 2208.00815), per cent, by draw."""

ACCURACY = {"1pct": 97.79, "10_per_class": 97.44}
FEWER_ERRORS = {"1pct": 81.78, "10_per_class": 88.07}  # than SGD and Adam have


def baseline(draw: str) -> float:
    """Return the accuracy that SGD or Adam must have had for both claims to hold, per cent."""
    return 100 - (100 - ACCURACY[draw]) / (1 - FEWER_ERRORS[draw] / 100)
