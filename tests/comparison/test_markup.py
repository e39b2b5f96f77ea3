import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dba_cli.comparison import compare, render
from dba_cli.comparison._markup import _latex, _markdown


def test_markdown_whole(paper_results):
    text = render(compare(paper_results.root), "markdown")
    heading, setting, table, legend = text.rstrip("\n").split("\n\n")
    assert heading == "## exp"
    assert setting == (
        "Protocol: random draw, 1 % (600 images). Data: official MNIST, 10,000 test images. 3 seeds."
    )
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]] == [
        ["sgd", "3 of 3", "88.00 ± 2.48", "12.00", "", "-20.0 ± 24.8", r"87.87\*", "+0.13"],
        ["adam", "3 of 3", "90.00 ± 0.00", "10.00", "16.3 ± 17.4", "", r"87.87\*", "+2.13"],
        ["dba", "3 of 3", "88.62 ± 2.09", "11.38", "5.0 ± 12.4", "-13.8 ± 20.9", "97.79", "-9.17"],
    ]
    assert legend.startswith("±: half-width")


def test_markdown_source_is_a_table_too(paper_results):
    table = render(compare(paper_results.root), "markdown").split("\n\n")[2].splitlines()
    assert len({len(line) for line in table}) == 1
    assert re.fullmatch(r"(\|:-+){2}(\|-+:){6}\|", table[1])


@pytest.mark.parametrize("format_name", ["markdown", "latex"])
@pytest.mark.parametrize("name", ["1e3", "007", "1.50", "0x10", "nan", "None"])
def test_a_name_that_looks_like_a_number_stays_as_it_is(results, format_name, name):
    results.plan([name], [0])
    results.run(name, 0, 1000, optimizer_kind="sgd")
    text = render(compare(results.root), format_name)
    assert f" {name} (sgd) " in " " + text.replace("\n", " ")


def test_an_experiment_without_runs_has_its_table(results):
    results.plan(["sgd", "nan"], [0])
    comparison = compare(results.root)
    assert "| sgd         | 0 of 1  |\n| nan         | 0 of 1  |" in render(comparison, "markdown")
    assert "\nsgd & 0 of 1 \\\\\nnan & 0 of 1 \\\\\n" in render(comparison, "latex")


def test_markdown_notice_and_notes(results):
    results.plan(["sgd", "dba"], [0])
    results.run("sgd", 0, None, source="embedded", notice="NOT <official>")
    text = render(compare(results.root), "markdown")
    assert "\n\n> **NOT \\<official\\>**\n\nProtocol: " in text
    assert text.endswith("\n\n- sgd: seed 0 diverged at step 7: in no figure\n- dba: seed 0 missing\n")


def test_latex_whole(paper_results):
    assert render(compare(paper_results.root), "latex").splitlines()[:15] == [
        r"% Needs \usepackage{booktabs}.",
        r"\begin{table}[htbp]",
        r"\centering",
        r"\caption{\texttt{exp}. Protocol: random draw, 1 \% (600 images). "
        r"Data: official MNIST, 10,000 test images. 3 seeds.}",
        r"\begin{tabular}{llrrrrrr}",
        r"\toprule",
        r"Optimizer & Seeds & Test accuracy (\%) & Error (\%) & vs SGD (\%) & vs Adam (\%) "
        r"& Paper (\%) & Difference (points) \\",
        r"\midrule",
        r"sgd & 3 of 3 & $88.00 \pm 2.48$ & $12.00$ &  & $-20.0 \pm 24.8$ & $87.87^{*}$ & $+0.13$ \\",
        r"adam & 3 of 3 & $90.00 \pm 0.00$ & $10.00$ & $16.3 \pm 17.4$ &  & $87.87^{*}$ & $+2.13$ \\",
        r"dba & 3 of 3 & $88.62 \pm 2.09$ & $11.38$ & $5.0 \pm 12.4$ & $-13.8 \pm 20.9$ "
        r"& $97.79$ & $-9.17$ \\",
        r"\bottomrule",
        r"\end{tabular}",
        "",
        r"\smallskip",
    ]


def test_latex_without_anything_below_the_table(results):
    results.plan(["sgd"], [0])
    results.run("sgd", 0, 1000)
    text = render(compare(results.root), "latex")
    assert text.endswith("\\bottomrule\n\\end{tabular}\n\\end{table}\n")


def test_latex_notes_stand_inside_the_float(results):
    results.plan(["sgd", "dba"], [0])
    results.run("sgd", 0, 1000)
    text = render(compare(results.root), "latex")
    assert text.endswith("\ndba: seed 0 missing\\par\n\\end{minipage}\n\\end{table}\n")
    assert text.count(r"\end{table}") == 1


def test_latex_notice_is_in_the_caption(results):
    results.plan(["sgd"], [0])
    results.run("sgd", 0, 1000, source="embedded", notice="100% not official")
    assert r" 1 seed. \textbf{100\% not official}}" in render(compare(results.root), "latex")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("mnist_1pct", "mnist_1pct"),
        ("_a_ *b* `c`", r"\_a\_ \*b\* \`c\`"),
        ("a|b", r"a\|b"),
        ("a\nb  c", "a b c"),
        (r"\<&>[]~#$", r"\\\<\&\>\[\]\~\#\$"),
        ("87.87 ± 0.42 %", "87.87 ± 0.42 %"),
    ],
)
def test_markdown_escaping(text, escaped):
    assert _markdown(text) == escaped


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("mnist_1pct", r"mnist\_1pct"),
        ("&%$#_{}", r"\&\%\$\#\_\{\}"),
        (
            '\\ ~ ^ < > | "',
            r"\textbackslash{} \textasciitilde{} \textasciicircum{} "
            r"\textless{} \textgreater{} \textbar{} \textquotedblright{}",
        ),
        ("± 1", r"$\pm$ 1"),
        ("a\nb", "a b"),
    ],
)
def test_latex_escaping(text, escaped):
    assert _latex(text) == escaped


@given(st.text())
def test_markdown_gives_the_text_back_and_never_ends_a_cell(text):
    escaped = _markdown(text)
    assert re.sub(r"\\(.)", r"\1", escaped) == " ".join(text.split())
    assert not re.search(r"(?<!\\)(\\\\)*\|", escaped)
    assert len(escaped.splitlines()) <= 1


@given(st.text())
def test_latex_leaves_nothing_active(text):
    commands = r"\\text[a-z]+\{\}|\\[&%$#_{}]|\$\\pm\$"
    assert not re.search(r"[\\&%$#_{}~^<>|\"±]", re.sub(commands, "", _latex(text)))
