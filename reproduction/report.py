"""``results/REPORT.md`` and its figures, from the committed digests alone."""

from pathlib import Path

from dba_cli.records import write_atomically
from reproduction import behaviour, convergence, headline, paper_setting, step_budget
from reproduction.claims import claims_table
from reproduction.findings import findings
from reproduction.studies import ROOT

_INTRODUCTION = """\
# Does Dynamic Batch Adaptation do what the paper says?

Dynamic Batch Adaptation (Simionescu, Stoica, Herscovici 2022, arXiv 2208.00815) chooses, for every layer and
step, the samples whose gradients make the update. This report is written by `make report` from the records of
real runs on the official MNIST; `make reproduce` makes the runs (hours), `make reproduce-quick` the same in
little (minutes, into a folder of its own). The test set decided nothing: everything was chosen on training
images outside the draw. The protocols are explained in [docs/protocols.md](../docs/protocols.md); one row per
run stands in `results/reproduction/*/runs.csv`.
"""


def report(results: Path) -> str:
    """Return the text of the report."""
    parts = [
        _INTRODUCTION,
        "## The claims\n",
        claims_table(results),
        findings(results),
        "## The paper's setting: selection alone\n",
        paper_setting.section(results),
        "## The step-budget reading\n",
        step_budget.section(results),
        "## Speed of convergence\n",
        convergence.section(results),
        "## How the selection behaves\n",
        behaviour.section(results),
        "## The headline figures\n",
        headline.section(results),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts if part)


def write_report(results: Path, out: Path) -> None:
    """Write ``REPORT.md`` and its figures into ``out``."""
    folder = out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for part in (step_budget, convergence, headline):
        part.draw_figures(results, folder)
    write_atomically(out / "REPORT.md", report(results))


DEFAULT_OUT = ROOT / "results"
