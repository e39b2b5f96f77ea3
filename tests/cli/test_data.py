def test_status_says_that_nothing_is_there(dba):
    answer = dba("data", "status")
    assert answer.code == 0
    assert "data/MNIST/raw/train-images-idx3-ubyte  -  missing" in answer.out
    assert "dba data fetch" in answer.out


def test_the_data_folder_comes_from_the_environment(dba, monkeypatch):
    monkeypatch.setenv("DBA_DATA", "elsewhere")
    assert "elsewhere/MNIST/raw" in dba("data", "status").out
