"""The page in a real browser: no errors, sorting, searching, and narrow screens."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dba_cli.report import report_page

webdriver = pytest.importorskip("selenium.webdriver")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no Chromium with its driver (Debian: chromium, chromium-driver)"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def shown(browser: Any, written: Path) -> Any:
    browser.set_window_size(1200, 900)
    browser.get(written.as_uri())
    return browser


def column(browser: Any, table: str, number: int) -> list[str]:
    script = (
        "return Array.from(document.getElementById(arguments[0]).tBodies[0].rows)"
        ".filter(row => !row.hidden).map(row => row.cells[arguments[1]].textContent.trim())"
    )
    found: list[str] = browser.execute_script(script, table, number)
    return found


def press(browser: Any, table: str, number: int) -> None:
    browser.find_elements("css selector", f"#{table} th button")[number].click()


def test_there_is_no_error_and_every_picture_shows(shown: Any) -> None:
    assert shown.get_log("browser") == []
    assert shown.title == "dba report"
    widths = shown.execute_script("return Array.from(document.images).map(image => image.naturalWidth)")
    assert len(widths) >= 8
    assert min(widths) > 100


@pytest.mark.parametrize("number", [2, 4, 5])
def test_numbers_sort_as_numbers_and_back(shown: Any, number: int) -> None:
    table = "all-runs"
    before = column(shown, table, number)
    press(shown, table, number)
    assert column(shown, table, number) == sorted(before, key=float)
    head = shown.find_elements("css selector", f"#{table} th")[number]
    assert head.get_attribute("aria-sort") == "ascending"
    press(shown, table, number)
    assert column(shown, table, number) == sorted(before, key=float, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"


def test_figures_with_intervals_sort_by_their_mean_and_blanks_go_last(shown: Any) -> None:
    table = "experiment-1-figures"
    titles = [head.text.rstrip(" ▲▼") for head in shown.find_elements("css selector", f"#{table} th")]
    number = next(i for i, title in enumerate(titles) if title.startswith("vs SGD"))
    for reverse in (False, True):
        press(shown, table, number)
        cells = column(shown, table, number)
        filled = [float(cell.split(" ")[0]) for cell in cells if cell]
        assert filled == sorted(filled, reverse=reverse)
        assert cells[len(filled) :] == [""] * (len(cells) - len(filled)) != []


def test_the_search_keeps_what_it_finds(shown: Any) -> None:
    box = shown.find_element("id", "all-runs-search")
    box.send_keys("ADAM")
    assert column(shown, "all-runs", 1) == ["Adam", "Adam", "Adam"]
    box.clear()
    box.send_keys("x")
    box.send_keys("\b")
    assert len(column(shown, "all-runs", 0)) == 9


def test_a_narrow_screen_scrolls_tables_in_their_boxes_alone(shown: Any) -> None:
    # A window of a browser has a least width; the device that it plays has not.
    shown.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        assert shown.execute_script("return window.innerWidth") == 400
        assert shown.execute_script("return document.scrollingElement.scrollWidth") <= 400
        wide = "return Array.from(document.images).map(image => image.getBoundingClientRect().right)"
        assert max(shown.execute_script(wide)) <= 400
    finally:
        shown.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_light_or_dark_as_the_reader_likes(shown: Any, scheme: str) -> None:
    feature = [{"name": "prefers-color-scheme", "value": scheme}]
    shown.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": feature})
    ink, paper = shown.execute_script(
        "const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]"
    )
    assert (brightness(ink) > brightness(paper)) == (scheme == "dark")


def test_one_experiment_is_seen_in_three_screens(browser: Any, recorded: Path, tmp_path: Path) -> None:
    path = tmp_path / "one.html"
    path.write_text(report_page(recorded, ["first"], recorded / "none", "dba report")[0], encoding="utf-8")
    browser.set_window_size(1280, 900)
    browser.get(path.as_uri())
    screens = "return document.scrollingElement.scrollHeight / window.innerHeight"
    assert browser.execute_script(screens) <= 3


def brightness(color: str) -> int:
    return sum(map(int, color[color.index("(") + 1 : -1].split(",")[:3]))
