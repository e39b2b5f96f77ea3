"""What a table looks like on a wide terminal."""

from rich.console import Console, RenderableType


def lines(table: RenderableType) -> list[str]:
    """Return the lines that are not empty, with one space where there are several."""
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return [" ".join(line.split()) for line in capture.get().splitlines() if line.strip()]
