from dba_cli.comparison import called


def test_names_are_words() -> None:
    assert [called(name) for name in ("sgd", "dba_adam", "gce", "random_for_dba", "my_rule")] == [
        "SGD", "DBA on Adam", "generalised cross-entropy", "random subsets for DBA", "my rule",
    ]  # fmt: skip
