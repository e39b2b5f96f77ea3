"""``dba demo`` as a person without a terminal sees it."""

from pathlib import Path


def test_it_ends_in_the_table_and_says_what_the_figures_are(dba, tmp_path):
    answer = dba("demo", "--steps", 4, "--no-pictures", "--results", tmp_path / "out")
    assert answer.code == 0, answer
    assert "EMBEDDED SAMPLE" in answer.out
    assert "of 240 wrong labels were left out" in answer.out
    assert "Next: `dba try DATA`" in answer.out
    assert "seed 2  dba   step 4/4  test accuracy" in answer.out
    table = answer.out.partition("Optimizer")[2]
    for name in ("sgd", "adam", "dba"):
        assert f"\n{name} " in table
    assert (tmp_path / "out/demo_4_steps/dba/seed-2/result.json").exists()


def test_it_may_be_shown_again_and_again(dba, tmp_path):
    words = ("demo", "--steps", 2, "--no-pictures", "--quiet", "--results", tmp_path)
    first, second = dba(*words), dba(*words)
    assert (first.code, second.code) == (0, 0)
    assert first.out == second.out


def test_the_pictures_that_it_names_are_there(dba, tmp_path):
    answer = dba("demo", "--steps", 2, "--quiet", "--results", tmp_path)
    named = [Path(line.strip()) for line in answer.out.splitlines() if line.strip().endswith(".png")]
    assert len(named) >= 8
    assert all(path.stat().st_size > 1000 for path in named)


def test_ctrl_c_is_one_line(dba, tmp_path, monkeypatch):
    def interrupted(*arguments, **told):
        raise KeyboardInterrupt

    monkeypatch.setattr("dba_cli.cli._demo.train_side_by_side", interrupted)
    answer = dba("demo", "--results", tmp_path)
    assert (answer.code, answer.err) == (130, "dba: interrupted; 'dba demo' starts anew\n")
