from pathlib import Path

import pytest

from dba_cli.inspection._wording import fact, file_size, seconds_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "under 0.01 s"),
        (0.346, "0.35 s"),
        (4.0, "4.0 s"),
        (9.97, "10 s"),
        (59.6, "1 min 00 s"),
        (160.2, "2 min 40 s"),
        (3599.7, "1 h 00 min"),
        (11_100, "3 h 05 min"),
    ],
)
def test_times(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("test_accuracy", 0.874, "87.4 %"),
        ("draw", {"fraction": 0.01, "by": "random"}, "fraction 1 %, by random"),
        ("n_train", 60_000, "60,000"),
        ("seed", 12_345, "12345"),
        ("diverged_at_step", None, "-"),
        ("new_key", [1, True], "1, yes"),
        ("git_revision", "ab[bold]c", "ab[bold]c"),
    ],
)
def test_values(key: str, value: object, text: str) -> None:
    assert fact(key, value) == (key.replace("_", " "), text)


def test_sizes(tmp_path: Path) -> None:
    for size, text in ((0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (3 << 20, "3.0 MiB")):
        (tmp_path / "file").write_bytes(b"\0" * size)
        assert file_size(tmp_path / "file") == text
