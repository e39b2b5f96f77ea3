"""From timings to tables and a plot."""

from pathlib import Path

import matplotlib as mpl
import pandas as pd
from harness import table, verdict

mpl.use("Agg")
from matplotlib import pyplot as plt

TARGETS = {("MLP 784-800-10", 100): 1.2, ("MLP 784-800-10", 200): 1.35, ("MLP 784-800-10", 1000): 1.9}
PEER_TARGETS = {"vmap": 30, "opacus": 5, "backpack": 5}
PEER_TARGET_CASE = ("MLP 784-800-10", 200)
MEMORY_TARGET = 1.3


def ratios(timings: pd.DataFrame, which: str, over: str) -> pd.DataFrame:
    """Per case and contestant: median seconds, and median and quartiles of the rounds' ratios to `over`."""
    of_table = timings[timings["table"] == which]
    wide = of_table.pivot_table(
        index=["network", "n", "round"], columns="contestant", values="seconds", sort=False
    )
    relative = wide.div(wide[over], axis=0).groupby(level=["network", "n"], sort=False)
    frame = pd.DataFrame(
        {
            "ms": wide.groupby(level=["network", "n"], sort=False).median().stack() * 1000,
            "ratio": relative.median().stack(),
            "q1": relative.quantile(0.25).stack(),
            "q3": relative.quantile(0.75).stack(),
        }
    )
    frame.index.names = ["network", "n", "contestant"]
    return frame.dropna().reset_index()


def write_report(folder: Path, frames: dict[str, pd.DataFrame], run: dict[str, object]) -> None:
    """Write step_cost.md, .png and .svg."""
    own = ratios(frames["timings"], "own", "plain")
    sections = [
        _head(run),
        _own_table(own),
        _peer_table(frames, run),
        _memory_table(frames),
        _parts_table(frames),
    ]
    (folder / "step_cost.md").write_text("\n\n".join(s for s in sections if s) + "\n")
    _plot(own, folder)


def _head(run: dict[str, object]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    return (
        "# Cost of a DBA step\n\n"
        "Regenerate with `python benchmarks/step_cost.py`. One thread, float32, SGD with momentum, "
        "forward to optimizer step included. DBA: metric snr, order alignment, min_fraction 0.25, scope "
        f"layer. Ratios are medians over {run['rounds']} rounds in which the contestants alternate "
        f"({run['peer_rounds']} for the peers), with the quartiles in brackets.\n\n"
        f"{run['cpu']} ({run['capability']}), {run['platform']}; {versions}."
    )


def _own_table(own: pd.DataFrame) -> str:
    rows = []
    for (network, n), case in own.groupby(["network", "n"], sort=False):
        by_name = case.set_index("contestant")
        dba, blas = by_name.loc["dba"], by_name.loc["dba (BLAS)"]
        rows.append(
            {
                "network": network,
                "n": n,
                "plain, ms": f"{by_name.loc['plain'].ms:.2f}",
                "DBA, ms": f"{dba.ms:.2f}",
                "DBA / plain": f"{dba.ratio:.2f} ({dba.q1:.2f}-{dba.q3:.2f})",
                "without oneDNN's product": f"{blas.ratio:.2f} ({blas.q1:.2f}-{blas.q3:.2f})",
                "target": verdict(dba.ratio, TARGETS.get((network, n))),
            }
        )
    return (
        "## DBA step over plain step\n\n" + table(rows) + "\n\n"
        "The package multiplies with oneDNN where torch has it, which plain PyTorch does not do for float32 "
        "Linear layers; the column without it uses the same BLAS as the plain step. The weight gradient is "
        "computed for the chosen samples only, which pays for part of the Gram matrices."
    )


def _peer_table(frames: dict[str, pd.DataFrame], run: dict[str, object]) -> str:
    peers = ratios(frames["timings"], "peers", "dba")
    agreement = frames["agreement"].set_index(["network", "n", "contestant"])["largest weight difference"]
    rows = []
    for _, row in peers[~peers["contestant"].isin(["dba", "plain", "dba (BLAS)"])].iterrows():
        case = (row.network, row.n)
        target = PEER_TARGETS.get(row.contestant) if case == PEER_TARGET_CASE else None
        rows.append(
            {
                "network": row.network,
                "n": row.n,
                "peer": row.contestant,
                "ms": f"{row.ms:.1f}",
                "peer / DBA": f"{row.ratio:.1f} ({row.q1:.1f}-{row.q3:.1f})",
                "same selection": "yes" if agreement[(*case, row.contestant)] < 1e-6 else "**no**",
                "target": verdict(row.ratio, target, at_least=True),
            }
        )
    if not rows:
        return ""
    notes = [f"- {peer} on {net}: {why}" for net, out in run["excluded"].items() for peer, why in out.items()]
    missing = "\n\nNot taking part:\n\n" + "\n".join(notes) if notes else ""
    return (
        "## The same selection with the peers' per-sample gradients\n\n"
        "Each peer computes every per-sample gradient of the same batch with its own library; Gram matrices, "
        "rule, weighted sum and optimizer are then the same. That the sample weights are equal is checked in "
        "the first step of each case.\n\n" + table(rows) + missing
    )


def _memory_table(frames: dict[str, pd.DataFrame]) -> str:
    memory = frames["memory"]
    if memory.empty:
        return ""
    rows = []
    for (network, n), case in memory.groupby(["network", "n"], sort=False):
        by_name = case.set_index("contestant")
        plain = by_name.loc["plain"]
        for name, row in by_name.iterrows():
            relative = row.total / plain.total
            rows.append(
                {
                    "network": network,
                    "n": n,
                    "contestant": name,
                    "peak of the process, MiB": f"{row.total:.0f}",
                    "of it in the steps, MiB": f"{row.steps:.0f}",
                    "peak / plain": f"{relative:.2f}",
                    "steps / plain": f"{row.steps / plain.steps:.2f}",
                    "target": verdict(relative, MEMORY_TARGET) if name == "dba" else "",
                }
            )
    return (
        "## Peak memory\n\nResident memory of a process of its own that takes five steps, the first with "
        "the check against autograd. The target is on the process; beside it the growth in the steps, which "
        "on its own is above 1.3 times a plain step's in most cases: most of the process is torch itself.\n\n"
        + table(rows)
    )


def _parts_table(frames: dict[str, pd.DataFrame]) -> str:
    medians = frames["parts"].groupby(["network", "n", "part"], sort=False)["seconds"].median() * 1000
    wide = medians.unstack(sort=False).map("{:.2f}".format).reset_index()
    return "## Time by part, ms\n\n" + table(wide.to_dict("records"))


def _plot(own: pd.DataFrame, folder: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for network, case in own[own["contestant"] == "dba"].groupby("network", sort=False):
        (line,) = axes.plot(case["n"], case["ratio"], marker="o", label=network)
        axes.fill_between(case["n"], case["q1"], case["q3"], color=line.get_color(), alpha=0.2, linewidth=0)
    for (network, n), target in TARGETS.items():
        label = f"targets, {network}" if n == min(k for _, k in TARGETS) else None
        axes.plot([n], [target], linestyle="none", marker="v", color="black", label=label)
    axes.axhline(1, color="grey", linewidth=0.8)
    axes.set_xscale("log")
    sizes = sorted(own["n"].unique())
    axes.set_xticks(sizes, [str(n) for n in sizes], minor=False)
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("batch size n")
    axes.set_ylabel("DBA step / plain step")
    axes.set_title("Cost of a DBA step on one core (median, quartiles)")
    axes.legend(frameon=False)
    for kind in ("png", "svg"):
        figure.savefig(folder / f"step_cost.{kind}", dpi=150)
    plt.close(figure)
