"""The page's structure, read by the standard library's parser."""

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dba_cli.comparison import compare, table_cells
from dba_cli.errors import UserError
from dba_cli.report import report_page


class Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self._cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._cell:
            self.rows[-1][-1] += data


def test_nothing_is_fetched_from_anywhere(page: str) -> None:
    for tag, attributes in Reader(page).tags:
        for name in ("src", "href", "srcset", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, value)
    assert "@import" not in page
    assert "url(" not in page


def test_identities_are_unique_and_every_link_has_its_end(page: str) -> None:
    tags = Reader(page).tags
    identities = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(identities) == len(set(identities))
    links = [a["href"] for tag, a in tags if tag == "a" and a.get("href")]
    assert links == ["#experiment-1", "#experiment-2", "#runs"]
    assert {link[1:] for link in links if link} <= set(identities)


def test_the_tables_are_those_of_compare(page: str, recorded: Path) -> None:
    rows = [[" ".join(cell.split()) for cell in row] for row in Reader(page).rows]
    for section in compare(recorded).sections:
        titles, _, cells, _ = table_cells(section)
        for expected in (titles, *cells):
            assert [" ".join(cell.split()) for cell in expected] in rows


def test_every_run_has_a_row_and_every_optimizer_its_config_and_command(page: str) -> None:
    reader = Reader(page)
    runs = [row for row in reader.rows if "finished" in [cell.strip() for cell in row]]
    assert len(runs) == 3 * 2 + 3 * 1
    assert reader.text.count("Config of ") == 6
    assert reader.text.count("/config.yaml --set 'seeds=[0,1]' --results again") == 3
    assert reader.text.count("/config.yaml --set 'seeds=[0]' --results again") == 3
    assert reader.text.count("torch") >= 2


def test_what_was_found_comes_first(page: str, recorded: Path) -> None:
    section = compare(recorded, ["first"]).sections[0]
    (dba,) = (row for row in section.rows if row.selects)
    assert dba.vs_sgd is not None
    errors = 100 * abs(dba.vs_sgd.mean)
    first = Reader(page).text.partition("recorded runs")[2].strip().splitlines()[0]
    assert first.startswith(f"first: DBA makes {errors:.1f} ± ")
    assert first.split("(")[0].endswith(f"{'fewer' if dba.vs_sgd.mean >= 0 else 'more'} errors than SGD ")


def test_of_many_experiments_the_best_are_drawn_and_all_are_in_one_table(
    recorded: Path, tmp_path: Path
) -> None:
    for i in range(8):
        shutil.copytree(recorded / "second", tmp_path / f"point-{i}")
        for file in tmp_path.glob(f"point-{i}/**/*.json"):
            rewrite(file, '"second"', f'"point-{i}"')
    reader = Reader(report_page(tmp_path, None, tmp_path / "none", "dba report")[0])
    sections = [a["id"] for tag, a in reader.tags if tag == "section"]
    assert sections == ["experiment-1", "experiment-2", "experiment-3", "runs", "notes"]
    assert sum("finished" in [cell.strip() for cell in row] for row in reader.rows) == 8 * 3
    assert "the other 5 are in the table of all runs" in reader.text


def test_a_rule_that_is_not_here_costs_its_own_config_alone(recorded: Path, tmp_path: Path) -> None:
    shutil.copytree(recorded / "first", tmp_path / "first")
    for file in tmp_path.glob("first/dba/*/result.json"):
        rewrite(file, '"rule": "prefix"', '"rule": "absent_module:rule"')
    text, notes = report_page(tmp_path, None, tmp_path / "none", "dba report")
    assert Reader(text).text.count("rule 'absent_module:rule': its module cannot be imported") == 1
    assert not [note for note in notes if "absent_module" in note]


def test_what_a_config_says_is_text_and_nothing_else(page: str) -> None:
    assert "<script>document.title" not in page
    assert "{{ 7 * 7 }}" in Reader(page).text
    assert sum(tag == "script" for tag, _ in Reader(page).tags) == 1


def rewrite(path: Path, text: str, by: str) -> None:
    """Replace some text of a record, which then has no seal."""
    record = json.loads(path.read_text())
    record.pop("seal", None)
    path.write_text(json.dumps(record).replace(text, by))


def test_a_second_setting_of_an_experiment_has_its_own_pictures(recorded: Path, tmp_path: Path) -> None:
    """As after a rename of the data's folder, by which tables call it."""
    shutil.copytree(recorded / "first", tmp_path / "first")
    for file in tmp_path.glob("first/*/seed-1/result.json"):
        rewrite(file, '"title": "MNIST"', '"title": "Renamed"')
    reader = Reader(report_page(tmp_path, None, tmp_path / "none", "dba report")[0])
    parts = [attributes["id"] for tag, attributes in reader.tags if tag == "section" and "id" in attributes]
    assert parts[:2] == ["experiment-1", "experiment-2"]
    captions = [attributes["alt"] for tag, attributes in reader.tags if tag == "img"]
    curves = [each for each in captions if each and "error against update steps" in each]
    assert len(curves) == 2


def test_the_same_records_give_the_same_page(page: str, recorded: Path) -> None:
    assert report_page(recorded, None, recorded / "none", "dba report")[0] == page


def test_an_unknown_experiment_is_refused(recorded: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'first'"):
        report_page(recorded, ["frist"], recorded, "dba report")
