"""One HTML file that holds all that some experiments' records say: opens from disk, needs no network."""

from ._page import rendered as rendered
from ._page import report_page as report_page
