"""Write docs/images/report.png: the report on the reference runs, as a browser shows it."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dba_cli.comparison import compare, setting_line, table_cells

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs/images/report.png"
_RESULTS, _EXPERIMENT = "results/reference", "mnist_1pct"


def digest() -> str:
    """Return the SHA-256 of the figures that the picture shows; the picture has that of its own."""
    (section,) = compare(ROOT / _RESULTS, [_EXPERIMENT]).sections
    return sha256(json.dumps([setting_line(section), table_cells(section)]).encode()).hexdigest()


def main(browser: str = "chromium", width: str = "1100", height: str = "1500") -> None:
    """Make the report and have ``browser`` take its picture."""
    with TemporaryDirectory() as folder:
        page, shot = Path(folder) / "report.html", Path(folder) / "report.png"
        (Path(folder) / "results").symlink_to(ROOT / "results")
        words = ["report", _EXPERIMENT, "--results", _RESULTS]
        subprocess.run([sys.executable, "-m", "dba_cli", *words], cwd=folder, check=True)
        subprocess.run(
            [
                browser,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--user-data-dir={folder}/profile",
                f"--window-size={width},{height}",
                f"--screenshot={shot}",
                page.as_uri(),
            ],
            check=True,
        )
        said = PngInfo()
        said.add_text("shows", digest())
        Image.open(shot).save(PICTURE, pnginfo=said, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
