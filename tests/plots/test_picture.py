from dba_cli.plots._picture import Notes


def test_each_reason_once_with_all_that_lacks_for_it() -> None:
    notes = Notes()
    for kind, reason in [("a", "no trace"), ("b", "no trace"), ("a", "no data"), ("b", "no trace")]:
        notes.add(kind, reason)
    assert notes.lines() == ["a, b: not made: no trace", "a: not made: no data"]
    assert notes.why("a") == notes.why("b") == "no trace"
    assert notes.why("c") == "nothing to draw"
