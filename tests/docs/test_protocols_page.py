"""The names on the page of the protocols are those of the records, its streams those of the seeds."""

import re
from pathlib import Path

import pytest

from dba_cli.config import load
from dba_cli.experiments._images import protocol
from dba_cli.training import Stream

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/protocols.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("config", "change"),
    [
        ("mnist_1pct", "seeds=[0]"),
        ("mnist_full", "seeds=[0]"),
        ("mnist_10_per_class_selected_deformed", "training.deformation=null"),
        ("reproduce/step_budget", "training.step_budget=1000"),
        ("mnist_1pct_deformed", "seeds=[0]"),
        ("mnist_1pct", "data.evaluate_on=validation"),
    ],
)
def test_every_name_in_a_record_is_explained(config: str, change: str) -> None:
    name = protocol(load(ROOT / f"configs/{config}.yaml", [change]))
    whole, *additions = re.sub(r"\d+", "N", name).split(", ")
    for row in (whole, *(f"…, {addition}" for addition in additions)):
        assert f"\n| `{row}` |" in PAGE


def test_every_stream_is_listed() -> None:
    listed = re.findall(r"^\| `([A-Z_]+)` \| (\d+) \|", PAGE, flags=re.MULTILINE)
    assert listed == [(stream.name, str(int(stream))) for stream in Stream]
