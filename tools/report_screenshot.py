"""Write docs/images/report.png: the report on the reference runs, as a browser shows it."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]


def main(browser: str = "chromium", width: str = "1100", height: str = "1500") -> None:
    """Make the report and have ``browser`` take its picture."""
    with TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        (Path(folder) / "results").symlink_to(ROOT / "results")
        words = ["report", "mnist_1pct", "--results", "results/reference"]
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
                f"--screenshot={ROOT / 'docs/images/report.png'}",
                page.as_uri(),
            ],
            check=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
