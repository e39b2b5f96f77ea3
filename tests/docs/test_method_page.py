"""The lists on the page of the method are those of the registries."""

import re
from pathlib import Path
from typing import Any

import pytest

from dba_cli.method import METRICS, ORDERS, RULES

PAGE = (Path(__file__).parents[2] / "docs/method.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("heading", "registry"), [("Metrics", METRICS), ("Orders", ORDERS), ("Rules", RULES)]
)
def test_every_name_is_explained_and_no_other(heading: str, registry: Any) -> None:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    # Other tests register names of their own.
    functions = {name: getattr(registry[name], "function", registry[name]) for name in registry}
    own = [name for name, function in functions.items() if function.__module__.startswith("dba_cli.")]
    assert sorted(re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE)) == sorted(own)
