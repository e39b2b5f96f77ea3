"""What stands between marks on the pages is what the recorded results say."""

import pytest

from tools.fill_pages import filled

from .test_commands import PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_figure_on_a_page_was_written_by_hand(page) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == filled(text), "python -m tools.fill_pages writes it anew"


def test_a_page_whose_figures_are_old_is_found() -> None:
    assert filled("<!-- bench: jobs -->\nold\n<!-- end -->\n").count("--jobs 1") == 1
