import shutil

import pytest

from dba_cli.comparison import FORMATS, compare, render
from dba_cli.errors import UserError


@pytest.mark.parametrize("format_name", FORMATS)
def test_the_same_records_give_the_same_text_anywhere(paper_results, tmp_path, format_name):
    copy = tmp_path / "elsewhere"
    shutil.copytree(paper_results.root, copy)
    text = render(compare(paper_results.root), format_name)
    assert text == render(compare(copy), format_name)
    assert str(tmp_path) not in text


@pytest.mark.parametrize("format_name", FORMATS)
def test_text_ends_in_one_line_end(paper_results, format_name):
    text = render(compare(paper_results.root), format_name)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize("format_name", ["table", "markdown", "latex"])
def test_each_section_names_its_protocol_and_source(results, format_name):
    results.plan(["sgd"], [0, 1])
    results.run("sgd", 0, 1000)
    results.run("sgd", 1, 1000, source="embedded", protocol="selected draw")
    text = render(compare(results.root), format_name)
    assert "Protocol: random draw" in text
    assert "official MNIST" in text
    assert "Protocol: selected draw" in text
    assert "embedded MNIST sample" in text


def test_unknown_format_names_the_nearest(paper_results):
    with pytest.raises(UserError, match="no format 'latx'; did you mean 'latex'"):
        render(compare(paper_results.root), "latx")
