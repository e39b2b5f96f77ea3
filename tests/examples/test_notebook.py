"""The notebook runs from its first cell to its last, and shows what it showed when it was committed."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples/dba_in_ten_minutes.ipynb"
NUMBER = re.compile(r"\d+")


def printed(cell: Any) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def pictures(cell: Any) -> int:
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def test_notebook(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    committed = nbformat.read(NOTEBOOK, 4)
    made = copy.deepcopy(committed)
    place = {"metadata": {"path": str(NOTEBOOK.parent)}}
    nbclient.NotebookClient(made, timeout=300, record_timing=False, resources=place).execute()
    made.metadata = committed.metadata  # without what belongs to this Python
    if request.config.getoption("--golden"):
        nbformat.write(made, NOTEBOOK)
        committed = made
    hint = "as it should be? then: pytest --golden"
    for shown, found in zip(committed.cells, made.cells, strict=True):
        if shown.cell_type == "code":
            assert NUMBER.sub("#", printed(found)) == NUMBER.sub("#", printed(shown)), hint
            assert pictures(found) == pictures(shown), hint
            # Another processor rounds otherwise, and a training ends a little elsewhere.
            figures = [[int(each) for each in NUMBER.findall(printed(cell))] for cell in (found, shown)]
            assert figures[0] == pytest.approx(figures[1], rel=0.06, abs=4), hint


def test_notebook_is_small_and_its_links_lead_somewhere() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 100_000
    links = re.findall(r"\]\((\.\.[^)#]+)\)", text)
    assert links
    assert [link for link in links if not (NOTEBOOK.parent / link).exists()] == []
