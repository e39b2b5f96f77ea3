"""``dba report`` through the entry point."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_it_writes_one_file_and_says_where(dba: Callable[..., Any], config: Path, tmp_path: Path) -> None:
    assert dba("run", config, "--quiet").code == 0
    answer = dba("report", "tiny", "--output", tmp_path / "a b" / "größe.html")
    assert answer.code == 0, answer
    path = Path(answer.out.strip())
    assert path == tmp_path / "a b" / "größe.html"
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "dba report tiny --results results --output" in page
