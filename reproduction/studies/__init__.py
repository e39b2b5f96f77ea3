"""The studies, one module each: a study is added by its module and a line here."""

from reproduction.command import Place
from reproduction.studies.behaviour import Behaviour
from reproduction.studies.convergence import Convergence
from reproduction.studies.headline import Headline
from reproduction.studies.paper_setting import PaperSetting
from reproduction.studies.step_budget import StepBudget
from reproduction.study import Study


def studies(place: Place) -> dict[str, Study]:
    """Return every study by the name that the report's template has for it, in the order of running."""
    paper_setting = PaperSetting(place)
    return {
        "paper_setting": paper_setting,
        "convergence": Convergence(place),
        "step_budget": StepBudget(place),
        "behaviour": Behaviour(place, paper_setting),
        "headline": Headline(place, paper_setting),
    }
