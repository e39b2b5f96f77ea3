"""Every command block of README.md and docs/ runs, in the order of its page, in a copy of the project.

What a reader would do runs as it stands, made quick by three rules and no exception to them:

- the configs of the copy, and those that a page shows, train a network of 8 units for one epoch or two steps
  on the embedded data (``cheaper``);
- ``make`` says what it would do (``--dry-run``): a target must exist, and what it runs is tested elsewhere;
- what is slow or needs a network by nature has another form of it in an HTML comment before the block:
  ``<!-- tested as: COMMANDS -->``, which begins with the same program. ``<!-- tested after: LINES -->`` holds
  what a block takes for granted.

A Python or YAML block whose first line is a comment with a file name is that file. The other Python blocks of
a page are one program; a diff of one is the program before and then the program after.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from .conftest import Shell
from .pages import SHELL, Block, blocks_of

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def cheaper(config: str) -> str:
    """Return a config that ends in a second, on the data that every machine has."""
    content = yaml.safe_load(config)
    training = content.get("training") or {}
    for length in (training, training.get("evaluation") or {}):
        length.update({key: value for key, value in {"epochs": 1, "steps": 2}.items() if length.get(key)})
    if "copies" in (training.get("evaluation") or {}):
        training["evaluation"]["copies"] = 1
    if "hidden" in (content.get("model") or {}):
        content["model"]["hidden"] = [8]
    if (content.get("data") or {}).get("source") == "official":
        content["data"]["source"] = "auto"
    return yaml.safe_dump(content, sort_keys=False)


def copy_of_the_project(folder: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "dba_cli/", ".ci/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    for path in (folder / "configs").rglob("*.yaml"):
        path.write_text(cheaper(path.read_text()))


def script(blocks: list[Block], parts: Path) -> str:
    """Return the shell's text for a page; what it reads is put below ``parts``."""
    parts.mkdir()
    lines = ["set -eEu", "trap 'echo \"failed: the block at $BLOCK\" >&2' ERR"]
    python = []
    for i, block in enumerate(blocks):
        part = parts / f"{i}.txt"
        lines.append(f"BLOCK={block.place}")
        if block.file is not None:
            part.write_text(cheaper(block.shown) if block.language == "yaml" else block.shown)
            lines.append(f"mkdir -p {Path(block.file).parent} && cp {part} {block.file}")
            lines += [f"python {block.file}"] * (block.language == "python")
        elif block.language in SHELL:
            part.write_text(block.before + block.run)
            lines.append(f"source {part}")
        elif block.language in {"python", "diff"}:
            # As many empty lines before it as on the page: a traceback names the page's line.
            source = "\n" * (block.line - 1) + block.run
            python += [block.before, f"exec(compile({source!r}, {block.place.split(':')[0]!r}, 'exec'))\n"]
    if python:
        (parts / "python.py").write_text("import sys; sys.path.insert(0, '')\n" + "".join(python))
        lines += ["BLOCK='one of its Python blocks'", f"python {parts / 'python.py'}"]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of(page: Path, shell: Shell, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy_of_the_project(copy)
    blocks = blocks_of(page, page.read_text(encoding="utf-8"))
    done = shell(copy, script(blocks, tmp_path / "parts"))
    assert done.returncode == 0, f"{page.name}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_another_form_is_of_the_same_program(page: Path) -> None:
    for block in blocks_of(page, page.read_text(encoding="utf-8")):
        if block.instead is not None:
            shown = [line.split()[0] for line in block.shown.splitlines() if re.match(r"[\w.$]", line)]
            assert block.instead.split()[0] in shown, block.place


def done_by(text: str, shell: Shell, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "copy").mkdir()
    return shell(folder / "copy", script(blocks_of(Path("page.md"), text), folder / "parts"))


def test_blocks_share_a_shell_and_their_files(shell: Shell, tmp_path: Path) -> None:
    page = """
```yaml
# deep/small.yaml
training: {epochs: 500, evaluation: {epochs: 25}}
model: {hidden: [800]}
```
```bash
cd deep
NAME=small
```
  <!-- tested after: test $NAME = small -->
  ```console
  $ cat $NAME.yaml
  shown output
  ```
<!-- tested as:
dba --version
-->
```bash
dba run small.yaml
```
<!-- tested after: x = 1 -->
```python
y = x + 1
```
```python
print("two", y)
```
```diff
-z = y
+z = y + 1
 print("before and after", z)
```
```text
dba refuse
```
"""
    done = done_by(page, shell, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    config, _, rest = done.stdout.partition("dba 0")
    assert yaml.safe_load(config) == {
        "training": {"epochs": 1, "evaluation": {"epochs": 1}},
        "model": {"hidden": [8]},
    }
    assert rest.splitlines()[1:] == ["two 2", "before and after 2", "before and after 3"]


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ("```bash\ndba --version\ndba refuse\necho on\n```", "failed: the block at page.md:4"),
        ("```bash\nmake nothing\n```", "failed: the block at page.md:4"),
        ("```python\nx = 1\nraise KeyError(x)\n```", 'File "page.md", line 5'),
        ("```python\n# a.py\nassert __name__ == 'b'\n```", "failed: the block at page.md:4"),
    ],
)
def test_a_block_that_fails_is_named(block: str, told: str, shell: Shell, tmp_path: Path) -> None:
    done = done_by(f"# A page\n\n{block}\n", shell, tmp_path)
    assert done.returncode != 0
    assert told in done.stderr
    assert "on" not in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("```\ndba run\n```\n", r"page.md:2: .*no language.*not be run"),
        ("```py\n1 / 0\n```\n", r"page.md:2: .*'py'.*not be run"),
        ("<!-- tested as: dba -->\ntext\n```bash\ndba run\n```\n", "before no block"),
        ("<!-- tested: dba -->\n```bash\ndba run\n```\n", "neither after nor as"),
    ],
)
def test_nothing_is_left_out_in_silence(page: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        blocks_of(Path("page.md"), page)
