"""Every study of the reproduction: the command that does it, in full and in a few minutes."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results/reproduction"


@dataclass(frozen=True)
class Study:
    """One folder under ``results/reproduction``.

    Args:
        name: of the folder.
        config: path from the project's root.
        options: further words of the command.
        sweep: whether the config holds many points; then only the digest of its runs is committed.
        histories: whether the digest keeps the curves.
    """

    name: str
    config: str
    options: tuple[str, ...] = ()
    sweep: bool = True
    histories: bool = False

    def command(self, results: str, *, quick: bool = False) -> list[str]:
        """Return the words after ``dba``; ``quick`` keeps one seed, few points and few steps."""
        words = ["sweep" if self.sweep else "run", self.config, *self.options]
        words += ["--results", results, *(["--name", self.name] if self.sweep else [])]
        if quick:
            words += ["--set", "seeds=[0]", *_QUICK]
            words += ["--random", "1"] if self.name in _GRIDS else []
        return words


_QUICK = ("--set", "training.steps=20", "--set", "training.evaluation={epochs: null, steps: 10, copies: 0}")
_GRIDS = ("screening", "screening_rules", "tuning")

HEADLINE = (
    "mnist_1pct_deformed",
    "mnist_10_per_class_deformed",
    "mnist_10_per_class_selected_deformed",
)

STUDIES = (
    *(
        Study(name, f"configs/{name}.yaml", ("--set", "data.source=official"), sweep=False)
        for name in HEADLINE
    ),
    Study("screening", "configs/reproduce/screening.yaml"),
    Study("screening_rules", "configs/reproduce/screening_rules.yaml"),
    Study("tuning", "configs/reproduce/tuning.yaml"),
    Study("confirmation", "configs/reproduce/confirmation.yaml"),
    Study("step_budget_tuning", "configs/reproduce/step_budget_tuning.yaml"),
    Study("step_budget", "configs/reproduce/step_budget.yaml", histories=True),
    Study("convergence_tuning", "configs/reproduce/convergence_tuning.yaml", histories=True),
    Study("convergence", "configs/reproduce/convergence.yaml", histories=True),
    Study("behaviour", "configs/reproduce/behaviour.yaml"),
    Study("ladder", "configs/reproduce/ladder.yaml"),
    Study("ablations", "configs/reproduce/ablations.yaml"),
)
