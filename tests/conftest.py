"""What every test runs under."""

import pytest


@pytest.fixture(autouse=True)
def _no_network_and_no_outside_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests never need the network, and never the official data of whoever runs them."""
    monkeypatch.setenv("DBA_OFFLINE", "1")
    monkeypatch.delenv("DBA_DATA", raising=False)
