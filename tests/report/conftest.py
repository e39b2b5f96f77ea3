"""A report of a few small runs, made once."""

from pathlib import Path

import pytest
import torch

from dba_cli.config import Config
from dba_cli.experiments import Reporter, Settings, run_experiments
from dba_cli.report import report_page


def small(name: str, description: str = "A small one.", seeds: int = 2) -> Config:
    return Config.model_validate(
        {
            "experiment": {"name": name, "description": description},
            "data": {"source": "embedded", "draw": {"per_class": 3}},
            "model": {"kind": "mlp", "hidden": [8]},
            "training": {"steps": 4, "batch_size": 12, "evaluation": {"steps": 2}},
            "optimizers": [
                {"name": "sgd", "kind": "sgd", "lr": 0.1},
                {"name": "adam", "kind": "adam", "lr": 0.01},
                {"name": "dba", "kind": "dba", "base": {"kind": "sgd", "lr": 0.1}},
            ],
            "seeds": list(range(seeds)),
        }
    )


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("recorded")
    hostile = "<script>document.title='broken'</script> & \"quoted\" 'words' {{ 7 * 7 }}"
    settings = Settings(data_dir=results / "none", results=results, device=torch.device("cpu"))
    run_experiments([small("first"), small("second", hostile, seeds=1)], settings, Reporter())
    return results


@pytest.fixture(scope="session")
def page(recorded: Path) -> str:
    return report_page(recorded, None, recorded / "none", "dba report")[0]


@pytest.fixture(scope="session")
def written(page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "report.html"
    path.write_text(page, encoding="utf-8")
    return path
