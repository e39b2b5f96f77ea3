"""Which device computes."""

import platform
import re
from pathlib import Path

import torch

from dba_cli.errors import UserError


def resolve_device(name: str) -> torch.device:
    """Return the device that ``auto``, ``cpu`` or ``cuda`` stands for on this machine.

    Apple's GPUs are no choice: they have no float64, in which the selection adds up.

    Raises:
        UserError: This machine has no such device.
    """
    available = ["cuda", "cpu"] if torch.cuda.is_available() else ["cpu"]
    if name == "auto":
        return torch.device(available[0])
    if name not in available:
        raise UserError(f"--device {name}: not available on this machine; choose from {', '.join(available)}")
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """Return the name of the hardware, such as a processor's or a GPU's model name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8", errors="replace") if cpuinfo.exists() else ""
    found = re.search(r"^model name.*?:(.*)", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()
