"""What the shell completes, and that it waits for nothing and never fails."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Complete = Callable[[str], list[str]]

THEIRS = """
extends: tiny.yaml
experiment: {name: theirs}
model: {hidden: [9]}
"""


@pytest.fixture
def complete(dba, monkeypatch: pytest.MonkeyPatch) -> Complete:
    def complete(line: str) -> list[str]:
        monkeypatch.setenv("_DBA_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", f"dba {line}")
        monkeypatch.setenv("COMP_CWORD", str(len(f"dba {line}".split(" ")) - 1))
        answer = dba()
        assert (answer.code, answer.err) == (0, ""), answer
        return answer.out.split()

    return complete


@pytest.mark.parametrize("command", ["run", "sweep", "tune", "inspect"])
def test_names_of_configs_and_what_stands_in_them(complete: Complete, config: Path, command: str) -> None:
    Path("theirs.yaml").write_text(THEIRS)
    assert complete(f"{command} mnist_1pct_") == ["mnist_1pct_deformed"]
    assert set(complete(f"{command} t")) == {"tiny.yaml", "theirs.yaml"}
    assert complete(f"{command} theirs.yaml --set training.e") == [
        *("training.epochs=", "training.evaluation.epochs=")
    ]
    assert complete(f"{command} theirs.yaml --set model.") == ["model.kind=", "model.hidden="]
    assert complete(f"{command} theirs.yaml --set optimizers.dba.base.l") == ["optimizers.dba.base.lr="]
    if command != "inspect":
        assert complete(f"{command} theirs.yaml --optimizer ") == ["sgd", "adam", "dba"]
        assert complete(f"{command} mnist_1pct --tracker w") == ["wandb"]


@pytest.mark.parametrize("command", ["compare", "plot", "report"])
def test_names_of_experiments(complete: Complete, tmp_path: Path, command: str) -> None:
    for run in ("one/sgd/seed-0", "two/dba/seed-0", "two/dba/seed-1", "no_experiment/adam/seed-0"):
        (tmp_path / "results" / run).mkdir(parents=True)
    for name in ("one", "two"):
        (tmp_path / f"results/{name}/experiment.json").touch()
    assert complete(f"{command} ") == ["one", "two"]
    assert complete(f"{command} --results nowhere ") == []
    if command == "plot":
        assert complete("plot two --optimizer ") == ["dba"]
        assert complete("plot --optimizer ") == ["sgd", "dba"]
        assert complete("plot --kind cu") == ["curves"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_what_is_wrong_completes_to_nothing(complete: Complete, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for name, content in {
        "empty": b"",
        "list": b"[1, 2]",
        "broken": b"{a: [",
        "binary": bytes(range(256)),
        "itself": b"extends: itself.yaml",
        "odd": b"optimizers: 3",
    }.items():
        (tmp_path / f"{name}.yaml").write_bytes(content)
    for config in (*Path().glob("*.yaml"), "missing.yaml", "/dev/zero", "x" * 300, "."):
        assert complete(f"run {config} --optimizer ") == []
        complete(f"run {config} --set ")


def test_it_waits_for_nothing() -> None:
    """Which takes 0.15 s on an idle machine."""
    line = {
        "_DBA_COMPLETE": "complete_bash",
        "COMP_WORDS": "dba run mnist_1pct --optimizer ",
        "COMP_CWORD": "4",
    }
    code = (
        "import sys\nfrom dba_cli.cli import main\ntry:\n    main()\nfinally:\n"
        "    print({'torch', 'pandas', 'matplotlib', 'dba_cli.records'} & set(sys.modules))"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env={**os.environ, **line})
    assert done.stdout.split() == ["sgd", "adam", "dba", "set()"], done.stderr
