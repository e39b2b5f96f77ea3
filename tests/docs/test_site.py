"""The built site, read as a browser would: every link has its target, and nothing comes from elsewhere."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import dba_cli

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build/site"
built = pytest.mark.skipif(not (SITE / "index.html").exists(), reason="no site: `make docs` builds it")


class Page(HTMLParser):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attributes}
        self.anchors |= {found[key] for key in ("id", "name") if key in found}
        if tag == "a":
            self.links.append(found.get("href", ""))
        elif tag in ("script", "img") or found.get("rel") in ("stylesheet", "icon"):
            self.loaded.append(found.get("src") or found.get("href", ""))


def test_the_reference_has_every_public_name() -> None:
    text = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    names = re.findall(r"^::: dba_cli\.(\w+)$", text, re.MULTILINE)
    assert sorted(names) == sorted({*dba_cli.__all__, "api"} - {"__version__"})


@built
def test_every_link_has_its_target_and_nothing_is_loaded_from_elsewhere() -> None:
    pages = {path: Page(path) for path in SITE.rglob("*.html") if path.name != "404.html"}
    assert len(pages) > 20
    broken = []
    for path, page in pages.items():
        for link in page.links + page.loaded:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                broken += [(path.name, link)] if link in page.loaded else []
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            known = target.exists() and (not url.fragment or unquote(url.fragment) in pages[target].anchors)
            broken += [] if known else [(path.name, link)]
    assert not broken


@built
def test_the_search_finds_without_a_network(tmp_path: Path) -> None:
    webdriver = pytest.importorskip("selenium.webdriver")
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        pytest.skip("no Chromium with its driver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path}",
    ):
        options.add_argument(argument)
    page: Any = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        page.implicitly_wait(20)
        page.set_window_size(1300, 900)
        page.get((SITE / "index.html").as_uri())
        page.execute_script("document.getElementById('__search').click()")
        page.find_element("css selector", ".md-search__input").send_keys("facility_location")
        found = page.find_elements("css selector", ".md-search-result__link")
        assert any("protocols" in each.get_attribute("href") for each in found)
    finally:
        page.quit()
