"""The lists on the page of the method are those of the registries."""

import re
from pathlib import Path

import pytest

from dba_cli.method import METRICS, ORDERS, RULES

PAGE = (Path(__file__).parents[2] / "docs/method.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("heading", "registry"), [("Metrics", METRICS), ("Orders", ORDERS), ("Rules", RULES)]
)
def test_every_name_is_explained_and_no_other(heading: str, registry: object) -> None:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE)) == sorted(registry)  # type: ignore[call-overload]
