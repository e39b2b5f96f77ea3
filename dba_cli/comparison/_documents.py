"""Tables for documents: Markdown (GitHub's) and LaTeX (booktabs).

pandas is imported where it is used: a table on the terminal does without.
"""

import re

from dba_cli.comparison._columns import legend, notes, setting_line, table_cells
from dba_cli.comparison._model import Comparison, Section

# Not pandas' own escaping: it is for cells alone, where captions and notes need it too, and it leaves
# < > | and ± to the font encoding, of which the default one prints other signs.
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedblright{}",
        "±": r"$\pm$",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)
# An underscore between letters or digits is no emphasis and stays readable without a backslash.
_MARKDOWN_SPECIAL = re.compile(r"[\\`*\[\]<>|~&#$]|(?<![^\W_])_|_(?![^\W_])")


def markdown(comparison: Comparison) -> str:
    """Return a heading, a pipe table and its notes for each section."""
    return "\n".join(_markdown_section(section) for section in comparison.sections)


def latex(comparison: Comparison) -> str:
    """Return a ``table`` float for each section; the document needs the package booktabs."""
    head = "% Needs \\usepackage{booktabs}.\n"
    return head + "\n".join(_latex_section(section) for section in comparison.sections)


def _markdown_section(section: Section) -> str:
    import pandas as pd

    titles, numeric, rows, _ = table_cells(section, _markdown, _markdown)
    table = pd.DataFrame(rows, columns=titles).to_markdown(
        index=False,
        colalign=["right" if right else "left" for right in numeric],
        # tabulate must not read numbers out of the cells and round those.
        disable_numparse=True,
    )
    notice = f"> **{_markdown(section.notice)}**" if section.notice else ""
    listed = "\n".join(f"- {_markdown(line)}" for line in notes(section))
    head = [f"## {_markdown(section.experiment)}", notice, _markdown(setting_line(section))]
    return "\n\n".join(filter(None, [*head, table, _markdown(legend(section)), listed])) + "\n"


def _latex_section(section: Section) -> str:
    import pandas as pd

    titles, numeric, rows, below = table_cells(section, _latex, _latex_number)
    caption = f"\\texttt{{{_latex(section.experiment)}}}. {_latex(setting_line(section))}"
    if section.notice:
        caption += f" \\textbf{{{_latex(section.notice)}}}"
    table = (
        pd.DataFrame(rows, columns=titles)
        .style.hide(axis="index")
        .to_latex(
            column_format="".join("r" if right else "l" for right in numeric),
            hrules=True,
            position="htbp",
            position_float="centering",
            caption=caption,
        )
    )
    if not below:
        return table
    # Small print below the table, for which pandas has no place.
    end = "\\end{table}\n"
    head = ["", r"\smallskip", r"\begin{minipage}{\linewidth}\footnotesize"]
    lines = [*head, *(rf"{text}\par" for text in below), r"\end{minipage}", end]
    return table.removesuffix(end) + "\n".join(lines)


def _markdown(text: str) -> str:
    return _MARKDOWN_SPECIAL.sub(r"\\\g<0>", _one_line(text))


def _latex(text: str) -> str:
    return _one_line(text).translate(_LATEX)


def _latex_number(cell: str) -> str:
    """Return a numeric cell in mathematics, where a hyphen is a minus sign."""
    if not cell:
        return ""
    formula = cell.replace("±", r"\pm").replace("*", "^{*}")
    return f"${formula}$"


def _one_line(text: str) -> str:
    # A line end in a record's text would end the table's row.
    return " ".join(text.split())
