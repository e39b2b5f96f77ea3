"""The page of the configs is the schema."""

from dba_cli.config import Config
from tools.config_page import PAGE, page


def test_the_page_is_written_from_the_schema() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make docs writes it anew"


def test_every_section_of_the_file_is_on_it() -> None:
    for section in Config.model_fields:
        assert f"| `{section}` |" in page()
