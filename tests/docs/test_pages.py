"""The pages say what the program does: figures, names, keys and links."""

import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from dba_cli import DynamicBatch
from dba_cli.config import Config, load
from dba_cli.experiments._images import protocol
from dba_cli.method import METRICS, ORDERS, RULES
from dba_cli.training import Stream
from tools import config_page, report_screenshot
from tools.fill_pages import filled

from .test_commands import PAGES, ROOT

METHOD, PROTOCOLS = (ROOT / f"docs/{name}.md" for name in ("method", "protocols"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_figure_on_a_page_was_written_by_hand(page) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == filled(text), "python -m tools.fill_pages writes it anew"


def test_the_screenshot_of_the_report_shows_the_recorded_figures() -> None:
    with Image.open(report_screenshot.PICTURE) as picture:
        assert picture.info["shows"] == report_screenshot.digest(), "make screenshot takes it anew"


def test_a_page_whose_figures_are_old_is_found() -> None:
    assert filled("<!-- bench: jobs -->\nold\n<!-- end -->\n").count("--jobs 1") == 1


@pytest.mark.parametrize(
    ("heading", "registry"), [("Metrics", METRICS), ("Orders", ORDERS), ("Rules", RULES)]
)
def test_every_name_is_explained_and_no_other(heading: str, registry: Any) -> None:
    section = METHOD.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    # Other tests register names of their own.
    functions = {name: getattr(registry[name], "function", registry[name]) for name in registry}
    own = [name for name, function in functions.items() if function.__module__.startswith("dba_cli.")]
    assert sorted(re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE)) == sorted(own)


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
        assert f"\n| `{row}` |" in PROTOCOLS.read_text(encoding="utf-8")


def test_every_setting_of_the_engine_is_on_its_page() -> None:
    page = (ROOT / "docs/engine.md").read_text(encoding="utf-8")
    table = page.partition("\n| setting | values |\n")[2].partition("\n\n")[0]
    listed = [name for row in table.split("\n")[1:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(listed) == sorted(set(inspect.signature(DynamicBatch).parameters) - {"model"})


def test_every_test_that_holds_a_training_feature_exists() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    page = (ROOT / "docs/engine.md").read_text(encoding="utf-8")
    table = page.partition("## Training features\n")[2].partition("\n\n| ")[2].partition("\n\n")[0]
    rows = table.split("\n| ")[2:]
    assert rows
    for row in rows:
        assert (name := re.search(r"\| `(test_\w+)` \|", row)), row
        assert f"\ndef {name[1]}(" in tests


def test_every_stream_is_listed() -> None:
    listed = re.findall(
        r"^\| `([A-Z_]+)` \| (\d+) \|", PROTOCOLS.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert listed == [(stream.name, str(int(stream))) for stream in Stream]


def test_the_page_is_written_from_the_schema() -> None:
    assert config_page.PAGE.read_text(encoding="utf-8") == config_page.page(), "make docs writes it anew"


def test_every_section_of_the_file_is_on_it() -> None:
    for section in Config.model_fields:
        assert f"| `{section}` |" in config_page.page()


def anchors(page: Path) -> set[str]:
    """Return what GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page: Path, text: str) -> list[str]:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if link.startswith(("http://", "https://")):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of(page: Path) -> None:
    assert dead_links(page, page.read_text(encoding="utf-8")) == []


def test_a_dead_link_is_seen() -> None:
    text = "[a](docs/nothing.md) [b](README.md#no-such-heading) [c](#cite) [d](docs/method.md#rules)"
    assert dead_links(ROOT / "README.md", text) == ["docs/nothing.md", "README.md#no-such-heading"]


def test_every_page_is_listed() -> None:
    listed = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages == set(re.findall(r"^- \[[\w.-]+\]\(([\w.-]+)\)", listed, flags=re.MULTILINE))


def test_continuous_integration_calls_targets_that_there_are() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"].values()
    called = [each["run"].split() for job in jobs for each in job["steps"] if "run" in each]
    asked = {target for words in called if words[0] == "make" for target in words[1:]}
    assert {"test", "lint", "docs"} <= asked <= set(targets)


def test_the_drawing_of_the_house_is_the_contract_of_imports() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    drawing = page.partition("```text\n")[2].partition("```")[0].splitlines()
    floors = [re.split(r"  +", line)[0] for line in drawing if not line.startswith(" ")]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    assert floors == [layer.replace("dba_cli.", "") for layer in contracts["contracts"][0]["layers"]]
