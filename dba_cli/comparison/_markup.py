"""Tables for documents: Markdown (GitHub's) and LaTeX (booktabs)."""

import re
from collections.abc import Sequence

from rich.cells import cell_len

from dba_cli.comparison._human import columns, legend, notes, setting_line
from dba_cli.comparison._model import Comparison, Section

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
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
    shown = columns(section)
    table = _pipe_table(
        [[column.title, *(_markdown(column.cell(row)) for row in section.rows)] for column in shown],
        [column.numeric for column in shown],
    )
    blocks = [f"## {_markdown(section.experiment)}"]
    if section.notice:
        blocks.append(f"> **{_markdown(section.notice)}**")
    blocks += [_markdown(setting_line(section)), table]
    if explanation := legend(section):
        blocks.append(_markdown(explanation))
    if lines := notes(section):
        blocks.append("\n".join(f"- {_markdown(line)}" for line in lines))
    return "\n\n".join(blocks) + "\n"


def _latex_section(section: Section) -> str:
    shown = columns(section)
    rows = [
        [_latex_number(column.cell(row)) if column.numeric else _latex(column.cell(row)) for column in shown]
        for row in section.rows
    ]
    caption = f"\\texttt{{{_latex(section.experiment)}}}. {_latex(setting_line(section))}"
    if section.notice:
        caption += f" \\textbf{{{_latex(section.notice)}}}"
    lines = [
        r"\begin{table}[htbp]",
        r"\centering",
        f"\\caption{{{caption}}}",
        f"\\begin{{tabular}}{{{''.join('r' if column.numeric else 'l' for column in shown)}}}",
        r"\toprule",
        " & ".join(_latex(column.title) for column in shown) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    below = [text for text in (legend(section), *notes(section)) if text]
    if below:
        lines += ["", r"\smallskip", r"\begin{minipage}{\linewidth}\footnotesize"]
        lines += [rf"{_latex(text)}\par" for text in below]
        lines.append(r"\end{minipage}")
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _pipe_table(shown: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """Return the columns, each with its title first, padded so that the source reads as a table too."""
    padded = []
    for cells, to_right in zip(shown, right, strict=True):
        width = max(cell_len(cell) for cell in cells)
        spaces = [" " * (width - cell_len(cell)) for cell in cells]
        column = [
            space + cell if to_right else cell + space for cell, space in zip(cells, spaces, strict=True)
        ]
        rule = "-" * (width - 1) + ":" if to_right else ":" + "-" * (width - 1)
        padded.append([column[0], rule, *column[1:]])
    return "\n".join(f"| {' | '.join(line)} |" for line in zip(*padded, strict=True))


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
