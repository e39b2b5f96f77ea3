import pytest

from dba_cli.comparison import Estimate, PaperFigures, Row, Section, Setting, compare
from dba_cli.comparison._human import columns, legend, notes, setting_line

SETTING = Setting("random draw", "mnist", "official", (("fraction", 0.01),), 600, 10_000)


def row(**changes) -> Row:
    values = {
        "optimizer": "dba",
        "kind": "dba",
        "config_hash": "0" * 64,
        "current": True,
        "planned": 5,
        "finished": (0, 1, 2, 3, 4),
        "diverged": (),
        "missing": (),
        "accuracy": Estimate(0.8787, 0.0042, 5),
        "vs_sgd": None,
        "vs_adam": None,
        "paper": None,
        "notes": (),
    }
    return Row(**values | changes)


def section(*rows: Row, **changes) -> Section:
    values = {
        "experiment": "exp",
        "description": "",
        "setting": SETTING,
        "notice": None,
        "seeds": (0, 1, 2, 3, 4),
        "rows": rows or (row(),),
        "notes": (),
    }
    return Section(**values | changes)


def cells(of: Row) -> dict[str, str]:
    return {column.title: column.cell(of) for column in columns(section(of))}


def test_cells():
    figures = row(
        vs_sgd=Estimate(0.0575, 0.021, 5),
        vs_adam=Estimate(-0.1234, None, 1),
        paper=PaperFigures(0.9779, False, 0.8178),
    )
    assert cells(figures) == {
        "Optimizer": "dba",
        "Seeds": "5 of 5",
        "Test accuracy (%)": "87.87 ± 0.42",
        "Error (%)": "12.13",
        "vs SGD (%)": "5.8 ± 2.1",
        "vs Adam (%)": "-12.3",
        "Paper (%)": "97.79",
        "Difference (points)": "-9.92",
    }


def test_implied_figures_are_starred():
    assert cells(row(paper=PaperFigures(0.8787, True, None)))["Paper (%)"] == "87.87*"


def test_one_seed_has_no_interval():
    assert cells(row(accuracy=Estimate(0.9, None, 1)))["Test accuracy (%)"] == "90.00"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"finished": (0, 1, 2), "missing": (3, 4)}, "3 of 5"),
        ({"finished": (0, 1, 2, 3), "diverged": (4,)}, "4 of 5, 1 diverged"),
        ({"finished": (0,), "current": False, "planned": None}, "1, other config"),
        (
            {"finished": (0,), "diverged": (1, 2), "current": False, "planned": None},
            "1, 2 diverged, other config",
        ),
    ],
)
def test_marks_stand_in_the_seeds_column(changes, text):
    assert cells(row(**changes))["Seeds"] == text


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [("sgd", "sgd", "sgd"), ("momentum", "sgd", "momentum (sgd)"), ("unrun", None, "unrun")],
)
def test_the_kind_is_told_where_the_name_does_not(name, kind, text):
    assert cells(row(optimizer=name, kind=kind))["Optimizer"] == text


def test_accuracy_and_error_as_printed_make_a_hundred():
    # Rounded apart they would be 79.75 and 20.24.
    half_way = cells(row(accuracy=Estimate(0.79755, None, 1)))
    assert float(half_way["Test accuracy (%)"]) + float(half_way["Error (%)"]) == pytest.approx(100)


def test_no_sign_before_zero():
    shown = cells(
        row(
            accuracy=Estimate(0.9, None, 1),
            vs_sgd=Estimate(-1e-9, None, 1),
            paper=PaperFigures(0.90001, False, None),
        )
    )
    assert shown["vs SGD (%)"] == "0.0"
    assert shown["Difference (points)"] == "0.00"


def test_columns_that_are_blank_everywhere_are_left_out():
    assert [column.title for column in columns(section())] == [
        "Optimizer",
        "Seeds",
        "Test accuracy (%)",
        "Error (%)",
    ]


def test_the_setting_names_protocol_source_draw_images_and_seeds():
    assert setting_line(section()) == (
        "Protocol: random draw, 1 % (600 images). Data: official MNIST, 10,000 test images. 5 seeds."
    )


def test_without_a_setting_it_says_so():
    assert setting_line(section(setting=None)) == "No run with the plan's config is recorded yet."


def test_the_legend_explains_what_is_there(paper_results):
    text = legend(compare(paper_results.root).sections[0])
    assert "95 % Student t interval" in text
    assert "mean over seeds in pairs" in text
    assert "97.79 % with DBA, 81.78 % of the errors of SGD and Adam removed" in text
    assert "*: not printed in the paper" in text


def test_the_legend_explains_nothing_else():
    assert legend(section(row(accuracy=Estimate(0.9, None, 1)))) == ""
    assert legend(section(row(accuracy=None))) == ""


def test_notes_are_led_by_the_optimizer():
    noted = section(row(notes=("one", "two")), row(optimizer="sgd", notes=("three",)), notes=("four",))
    assert notes(noted) == ["dba: one", "dba: two", "sgd: three", "four"]
