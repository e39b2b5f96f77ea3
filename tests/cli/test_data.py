import pytest


def test_status_says_that_nothing_is_there(dba):
    answer = dba("data", "status")
    assert answer.code == 0
    assert "data/MNIST/raw/train-images-idx3-ubyte  -  missing" in answer.out
    assert "dba data fetch" in answer.out


def test_the_data_folder_comes_from_the_environment(dba, monkeypatch):
    monkeypatch.setenv("DBA_DATA", "elsewhere")
    assert "elsewhere/MNIST/raw" in dba("data", "status").out


def test_verify_refuses_what_is_missing(dba):
    assert "missing" in dba("data", "verify").refused()


def test_fetch_without_a_network_is_one_line(dba):
    line = dba("data", "fetch", "--data", "here").refused()
    assert "DBA_OFFLINE" in line


@pytest.mark.parametrize("command", ["status", "fetch", "verify"])
def test_an_unknown_dataset_is_one_line(dba, command):
    line = dba("data", command, "--dataset", "cifar").refused()
    assert "'cifar'" in line
    assert "fashion_mnist" in line
