"""What a figure costs that nobody has recorded yet: three places, tried on a copy of the package."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import dba_cli

PLACES = {
    "records/_evaluation.py": ("    copies_errors: ", "    spread: float | None = None\n    copies_errors: "),
    "training/_trainer.py": (
        '"test_errors": errors,',
        '"test_errors": errors, "spread": logits.softmax(1).std().item(),',
    ),
    "comparison/_columns.py": (
        "_COLUMNS = (",
        "_COLUMNS = (Column('Spread (%)', 'Spread', lambda row: _estimate(row.mean('spread'), 2)),",
    ),
}
CONFIG = """
experiment: {name: tiny}
data: {source: embedded, draw: {per_class: 2}}
model: {kind: mlp, hidden: [4]}
training: {steps: 2, batch_size: 10}
optimizers: [{name: sgd, kind: sgd, lr: 0.1}]
seeds: [0, 1]
"""


def test_a_new_figure_is_in_every_file_and_table(tmp_path: Path) -> None:
    package = tmp_path / "dba_cli"
    shutil.copytree(Path(dba_cli.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for place, (before, after) in PLACES.items():
        text = (package / place).read_text("utf-8")
        assert text.count(before) == 1
        (package / place).write_text(text.replace(before, after), "utf-8")
    (tmp_path / "tiny.yaml").write_text(CONFIG)

    def dba(*arguments: str) -> str:
        command = [sys.executable, "-m", "dba_cli", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    dba("run", "tiny.yaml", "--quiet")
    with (tmp_path / "results/tiny/sgd/seed-1/history.csv").open(newline="") as file:
        recorded = float(list(csv.DictReader(file))[-1]["spread"])
    assert recorded > 0
    assert f"spread {recorded:.6g}" in " ".join(dba("inspect", "results/tiny/sgd/seed-1").split())
    assert "Spread (%)" in dba("compare", "--format", "markdown")
    (row,) = csv.DictReader(dba("compare", "--format", "csv").splitlines())
    assert float(row["spread"]) > 0
    assert float(row["spread_ci95"]) > 0
