"""From timings to tables and a plot."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from contestants import CLIPPING, SAME_QUANTITY
from harness import ratio, table, verdict, wide
from networks import NETWORKS

mpl.use("Agg")
from matplotlib import pyplot as plt

MEMORY_TARGET = 1.4
RULE_TARGETS = {
    ("dba: greedy", 128): 5,
    ("dba: greedy", 1000): 8,
    ("dba: gradmatch", 1000): 6,
    ("dba: facility_location", 1000): 6,
    **{(f"dba: top_k by {order}", n): 1.2 for order in ("norm", "projection") for n in (32, 128, 1000, 2000)},
}
LINEAR = [
    "dba: all",
    "dba: random, size n/4",
    "dba: top_k by norm",
    "dba: top_k by projection",
    "dba: prefix, size n/4",
    "dba: prefix, sizes=32",
    "dba: prefix, every size",
]
Runs = dict[str, dict[str, Any]]


def write_report(folder: Path, frames: dict[str, pd.DataFrame], runs: Runs) -> None:
    """Write step_cost.md, .png and .svg."""
    timings, judged = frames["timings"], {}
    sections = [
        _head(runs),
        _own_table(timings, judged, runs),
        _rule_table(timings),
        _growth_table(timings),
        _memory_table(frames["memory"]),
        _peer_table(frames, runs),
    ]
    (folder / "step_cost.md").write_text("\n\n".join(s for s in sections if s) + "\n")
    _plot(judged, folder)


def cases(timings: pd.DataFrame, which: str) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """Yield network, batch size and seconds by round and contestant."""
    for (network, n), case in timings[timings["table"] == which].groupby(["network", "n"], sort=False):
        yield network, n, wide(case)


def _head(runs: Runs) -> str:
    run = next(iter(runs.values()))
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    loads = ", ".join(f"{name} {measured['load_average'][0]}" for name, measured in runs.items())
    return (
        "# Cost of a DBA step\n\n"
        "Regenerate with `python benchmarks/step_cost.py`. One thread, float32, SGD with momentum, "
        "forward to optimizer step included. DBA: metric snr, order alignment, min_fraction 0.25, scope "
        "layer, rule prefix with every size, unless it says otherwise. Ratios are medians over rounds in "
        "which the contestants alternate, with the quartiles in brackets. No GPU was to be had: no figure "
        "here is of one.\n\n"
        f"{run['cpu']} ({run['capability']}), {run['platform']}; {versions}. Load average at the end of "
        f"each network's measurement: {loads}."
    )


def products_alone(widths: list[tuple[int, int]], n: int, smallest: int) -> float:
    """Return the multiply-adds of a DBA step over those of a plain one: no step with these products is below.

    Of Linear layers p x q from n samples, the default rule. Plain: forward, weight gradient, and input
    gradient but for the first. DBA: a weight gradient of no more than `smallest` samples, and the cheaper of
    two ways: half a Gram matrix, or mean and products with it, sums of blocks and products with these, and
    half the Gram matrix of each block, of whatever size is best.
    """
    plain, ours = 0.0, 0.0
    for k, (p, q) in enumerate(widths):
        both = n * p * q * (2 if k else 1)
        searched = n - smallest
        blocks = min(
            2 * n * p * q + (n - m) * p * q + searched * p * q + searched * m / 2 * (p + q)
            for m in range(1, searched + 1)
        )
        plain += both + n * p * q
        ours += both + smallest * p * q + min(n * n / 2 * (p + q), blocks)
    return ours / plain


def _floor(network: str, n: int) -> str:
    if not network.startswith("MLP"):
        return ""
    layers = [layer for layer in NETWORKS[network].build() if hasattr(layer, "in_features")]
    widths = [(layer.out_features, layer.in_features) for layer in layers]
    return f"{products_alone(widths, n, n // 4):.2f}"


def _own_table(timings: pd.DataFrame, judged: dict[tuple[str, int], pd.Series], runs: Runs) -> str:
    rows = []
    for network, n, seconds in cases(timings, "own"):
        ms = 1000 * seconds.median()
        # use_fast_products makes Linear layers of rows multiply with oneDNN: those of the MLPs.
        pair = ("dba", "plain") if network.startswith("MLP") else ("dba (BLAS)", "plain (BLAS)")
        if pair[0] not in seconds:
            continue
        judged[network, n] = seconds[pair[0]] / seconds[pair[1]]
        rows.append(
            {
                "network": network,
                "n": n,
                "plain, ms": f"{ms[pair[1]]:.2f}",
                "DBA, ms": f"{ms[pair[0]]:.2f}",
                "DBA / plain, same product": ratio(seconds, *pair),
                "as it comes": ratio(seconds, "dba", "plain"),
                "products alone": _floor(network, n),
                "target": verdict(judged[network, n].median(), NETWORKS[network].targets.get(n)),
            }
        )
    missing = [
        f"- {network}: {run['excluded']['dba']}" for network, run in runs.items() if "dba" in run["excluded"]
    ]
    return (
        "## DBA step over plain step\n\n" + table(rows) + "\n\n"
        "Same product: both sides multiply matrices with the same kernels. For the MLPs that is oneDNN's, "
        "in the plain step as in DBA's (`use_fast_products`); the other networks multiply with the BLAS of "
        "plain PyTorch whatever one does, and there DBA is held to it, too. As it comes, DBA's own products "
        "are oneDNN's where torch has it, and the networks are left as they are. Products alone: "
        "multiply-adds of the rule over those of a plain step, as few as either of its ways needs, and a "
        "quarter chosen; "
        "a step of the same speed per multiply-add and no other cost would take so long."
        + ("\n\nNot taken:\n\n" + "\n".join(missing) if missing else "")
    )


def _rule_table(timings: pd.DataFrame) -> str:
    rows = []
    for network, n, seconds in cases(timings, "rules"):
        for name in [name for name in seconds if name != "plain"]:
            target = RULE_TARGETS.get((name, n)) if network == "MLP 784-100-10" else None
            rows.append(
                {
                    "network": network,
                    "n": n,
                    "rule": name.removeprefix("dba: "),
                    "ms": f"{1000 * seconds[name].median():.2f}",
                    "DBA / plain": ratio(seconds, name, "plain"),
                    "target": verdict((seconds[name] / seconds["plain"]).median(), target),
                }
            )
    return "## By rule\n\nAt least a quarter of the samples, as many for `top_k`. As it comes.\n\n" + table(
        rows
    )


def _growth_table(timings: pd.DataFrame) -> str:
    found = {
        n: seconds.median() for network, n, seconds in cases(timings, "rules") if network == "MLP 784-100-10"
    }
    if len(found) < 2:
        return ""
    micro = pd.DataFrame({n: 1e6 * medians / n for n, medians in found.items() if n >= 1000})
    rows = [
        {
            "rule": name.removeprefix("dba: "),
            **{f"n = {n}": f"{micro.loc[name, n]:.2f}" for n in micro},
            "last / first": f"{micro.loc[name].iloc[-1] / micro.loc[name].iloc[0]:.2f}",
        }
        for name in ["plain", *LINEAR]
        if name in micro.index
    ]
    return "## Growth with n\n\nMicroseconds for each sample of a batch, MLP 784-100-10.\n\n" + table(rows)


def _memory_table(memory: pd.DataFrame) -> str:
    if memory.empty:
        return ""
    rows = []
    for (network, n), case in memory.groupby(["network", "n"], sort=False):
        by_name = case.set_index("contestant")
        if not {"plain", "dba"} <= set(by_name.index):
            continue
        plain, dba = by_name.loc["plain"], by_name.loc["dba"]
        rows.append(
            {
                "network": network,
                "n": n,
                "plain, MiB": f"{plain.steps:.0f}",
                "DBA, MiB": f"{dba.steps:.0f}",
                "steps, DBA / plain": f"{dba.steps / plain.steps:.2f}",
                "target": verdict(dba.steps / plain.steps, MEMORY_TARGET),
                "process, DBA / plain": f"{dba.total / plain.total:.2f}",
            }
        )
    return (
        "## Peak memory\n\nHow far five steps, the first with the check against autograd, raise the peak of "
        "a process of their own.\n\n" + table(rows)
    )


def _peer_table(frames: dict[str, pd.DataFrame], runs: Runs) -> str:
    agreement = frames["agreement"].set_index(["network", "n", "contestant"])["largest weight difference"]
    rows = []
    for network, n, seconds in cases(frames["timings"], "peers"):
        for peer in [name for name in seconds if name != "plain" and not name.startswith("dba")]:
            ours = SAME_QUANTITY if peer == CLIPPING else "dba"
            same = agreement.get((network, n, peer))
            rows.append(
                {
                    "network": network,
                    "n": n,
                    "peer": peer,
                    "ms": f"{1000 * seconds[peer].median():.1f}",
                    "peer / DBA": ratio(seconds, peer, ours, digits=1),
                    "DBA / plain": ratio(seconds, ours, "plain"),
                    "same selection": "" if same is None else "yes" if same < 1e-6 else "**no**",
                }
            )
    notes = [
        f"- {peer} on {network}: {why}"
        for network, run in runs.items()
        for peer, why in run["excluded"].items()
        if "dba" not in peer
    ]
    missing = "\n\nNot taking part:\n\n" + "\n".join(notes) if notes else ""
    return (
        "## Peers\n\n"
        "vmap, Opacus and BackPACK compute every per-sample gradient of the same batch; Gram matrices, rule, "
        "weighted sum and optimizer are then ours, and that the sample weights are equal is checked in the "
        "first step. Opacus' fast clipping weighs samples by the norms of the network's whole gradients, "
        "and stands beside our rule that needs just these norms (`top_k` by `norm`, scope `model`).\n\n"
        + table(rows)
        + missing
    )


def _plot(judged: dict[tuple[str, int], pd.Series], folder: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    quartiles = pd.DataFrame(judged).quantile([0.25, 0.5, 0.75]).T
    for network in quartiles.index.unique(0):
        case = quartiles.loc[network]
        (line,) = axes.plot(case.index, case[0.5], marker="o", label=network)
        axes.fill_between(case.index, case[0.25], case[0.75], color=line.get_color(), alpha=0.2, linewidth=0)
        targets = NETWORKS[network].targets
        axes.plot(targets.keys(), targets.values(), linestyle="none", marker="v", color=line.get_color())
    axes.axhline(1, color="grey", linewidth=0.8)
    axes.set_xscale("log")
    sizes = sorted(quartiles.index.unique(1))
    axes.set_xticks(sizes, [str(n) for n in sizes], minor=False)
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("batch size n")
    axes.set_ylabel("DBA step / plain step")
    axes.set_title("Cost of a DBA step on one core (median, quartiles; triangles: targets)")
    axes.legend(frameon=False)
    for kind in ("png", "svg"):
        figure.savefig(folder / f"step_cost.{kind}", dpi=150)
    plt.close(figure)
