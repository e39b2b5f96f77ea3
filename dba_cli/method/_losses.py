"""Rules of the literature that look at losses alone: no gradient but the chosen samples' is computed."""

from torch import Tensor

from ._problem import SelectionProblem, ranks_of
from ._rules import register_rule


@register_rule("largest_loss")
def largest_loss(problem: SelectionProblem) -> Tensor:
    """Selective backprop (Jiang et al. 2019): the largest losses, as few as allowed.

    The paper draws a sample with a probability that grows with the rank of its loss; here the largest win.
    """
    return problem.first(problem.smallest, ranks_of(problem.losses))


@register_rule("smallest_loss")
def smallest_loss(problem: SelectionProblem) -> Tensor:
    """Iterative trimmed loss (Shen and Sanghavi 2019): the smallest losses, as few as allowed.

    The paper trims the whole training set once in a round; here it is the batch, in every step.
    """
    return problem.first(problem.smallest, ranks_of(-problem.losses))
