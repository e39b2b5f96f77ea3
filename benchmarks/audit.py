"""Does ``dba audit`` rank wrong labels as well as cleanlab, at a fifth of its time?

    python benchmarks/audit.py [--output results/bench] [--quick] [--seeds 5] [--first 0] [--minutes 0]
        [--only PART-OF-THE-DATA'S-NAME]

Writes to the output folder: audit.md (tables, with the targets) and audit.csv (every ranking). Labels are
made wrong at a known rate, symmetrically, and each contestant ranks the samples. cleanlab's rankings
(Northcutt et al., JAIR 2021) are given out-of-sample probabilities of five-fold cross-validation of the same
network, trained by the same optimizer for as many updates as the audit would make if it left nothing out.
With --minutes what audit.csv holds is kept, and the run stops after so long: the same command goes on. With
--only the rows of other data stay as they are.
DBA_DATA names the folder of MNIST and of cifar10-jpeg, a folder of colour images with one sub-folder per
class; what is not there is left out.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import harness
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from cleanlab.rank import get_label_quality_scores
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from torch import Tensor, nn

from dba_cli.config import Config
from dba_cli.data import as_floats, class_sizes, draw, load, noisy, read_data
from dba_cli.errors import UserError
from dba_cli.experiments import standardizer
from dba_cli.labels import EPOCHS, MemoryTraining, audit_config
from dba_cli.method import DynamicBatch, SelectionProblem, register_rule
from dba_cli.training import BatchOrder, Stream, TensorData, build_model, generator

RATES = (0.1, 0.2, 0.4)
FOLDS = 5
LENGTHS = (0.25, 0.5, 1.0)  # of cleanlab's trainings, in shares of the length
TARGET = 0.2
DATA_DIR = Path(os.environ.get("DBA_DATA", "data"))
RANKINGS = ("self_confidence", "normalized_margin")
AUDIT, LAYERS, PLAIN, CLEANLAB = "audit", "chosen by layer", "no selection", "cleanlab"


def mnist(seed: int) -> tuple[Tensor, Tensor]:
    """Return 600 images, another draw for each seed."""
    data = load("mnist", "official", DATA_DIR, harness.say)
    sizes = class_sizes(data.train_labels, fraction=0.01, official_size=data.official_size)
    indices = draw(data.train_labels, sizes, generator(seed, Stream.DRAW))
    return data.train_images[indices], data.train_labels[indices]


def digits(seed: int) -> tuple[Tensor, Tensor]:
    """Return scikit-learn's digits."""
    found = load_digits()
    return torch.tensor(found.images / 16, dtype=torch.float32).unsqueeze(1), torch.tensor(found.target)


def colour(seed: int) -> tuple[Tensor, Tensor]:
    """Return the training images of the folder."""
    found = read_data(DATA_DIR / "cifar10-jpeg")
    return found.samples, found.labels


def cancer(seed: int) -> tuple[Tensor, Tensor]:
    """Return scikit-learn's breast cancer table."""
    values, labels = load_breast_cancer(return_X_y=True)
    return torch.tensor(values, dtype=torch.float32), torch.tensor(labels)


DATA = {
    "MNIST, 600 images": mnist,
    "digits": digits,
    "breast cancer (table)": cancer,
    "colour images": colour,
}


class Case:
    """Samples with wrong labels, and the network that both sides train on them."""

    def __init__(self, read: Callable[[int], tuple[Tensor, Tensor]], rate: float, seed: int) -> None:
        samples, right = read(seed)
        self.classes, self.seed = int(right.max()) + 1, seed
        self.labels = noisy(right, self.classes, "symmetric", rate, generator(seed, Stream.NOISE))
        self.wrong = (self.labels != right).numpy()
        self.samples = as_floats(samples)
        self.config: Config = audit_config(tuple(samples.shape[1:]), len(right), seed=seed)
        self.batch = self.config.training.batch_size
        self.updates = EPOCHS * -(-len(right) // self.batch)

    def network(self, samples: Tensor) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Return the untrained network, standardizing by the samples that it will see, and its optimizer."""
        weights = generator(self.seed, Stream.WEIGHTS)
        shape = tuple(samples.shape[1:])
        model = build_model(self.config.model, shape, self.classes, weights, standardizer(samples))
        return model, self.config.optimizers[0].base_optimizer.build(model.parameters())

    def figures(self, suspicion: "np.ndarray") -> dict[str, float]:
        """Return how well the ranking finds the wrong labels."""
        return {
            "auroc": roc_auc_score(self.wrong, suspicion),
            "ap": average_precision_score(self.wrong, suspicion),
        }

    def audit(self, how: str) -> dict[str, object]:
        """Return the figures and the seconds of an audit, in which ``how`` says what a step is made of."""
        model, optimizer = self.network(self.samples)
        began = time.process_time()
        data = TensorData(self.samples, self.labels)
        order = generator(self.seed, Stream.ORDER)
        training = AUDITS[how](model, optimizer, data, self.classes, self.batch, order)
        while not training.advance():
            pass
        seconds = time.process_time() - began
        scores = -training.margins.numpy()
        return {"seconds": seconds, "contradicted": (scores > 0).mean(), **self.figures(scores)}

    def cross_validation(self) -> Iterator[dict[str, object]]:
        """Yield the figures of cleanlab's rankings, at each length; the seconds are those of all folds."""
        at = {round(share * self.updates): share for share in LENGTHS}
        found = {share: np.zeros((len(self.labels), self.classes)) for share in LENGTHS}
        seconds = dict.fromkeys(LENGTHS, 0.0)
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=self.seed)
        for seen, held_out in folds.split(np.zeros(len(self.labels)), self.labels.numpy()):
            samples, labels = self.samples[seen], self.labels[seen]
            model, optimizer = self.network(samples)
            batches = BatchOrder(len(seen), self.batch, generator(self.seed, Stream.ORDER), whole=True)
            spent, began = 0.0, time.process_time()
            for step in range(1, self.updates + 1):
                batch = next(batches)
                loss = F.cross_entropy(model(samples[batch]), labels[batch])
                for parameter in model.parameters():
                    parameter.grad = None
                loss.backward()
                optimizer.step()
                if step in at:
                    spent += time.process_time() - began
                    model.eval()
                    before = time.process_time()
                    with torch.no_grad():
                        found[at[step]][held_out] = model(self.samples[held_out]).double().softmax(1)
                    model.train()
                    seconds[at[step]] += spent + time.process_time() - before
                    began = time.process_time()
        for share, probabilities in found.items():
            for method in RANKINGS:
                quality = get_label_quality_scores(self.labels.numpy(), probabilities, method=method)
                yield {
                    "contestant": CLEANLAB,
                    "ranking": method,
                    "length": share,
                    "seconds": seconds[share],
                    **self.figures(-quality),
                }


class Plain(MemoryTraining):
    """Every step uses its whole batch, whatever is remembered of it."""

    def _agreed(self) -> Tensor:
        """Return that every sample is kept."""
        return torch.ones_like(self._memory, dtype=torch.bool)


class ByLayer(MemoryTraining):
    """DBA's own choice: for each layer as many as are remembered well, those nearest to the mean gradient."""

    dba: DynamicBatch | None = None
    size = 1

    def _batches(self, order: Tensor, kept: Tensor | None) -> Iterable[Tensor]:
        """Yield the candidates of each step: among them are those that the memory keeps for it."""
        steps = super()._batches(order, kept)
        if kept is None:
            yield from steps
            return
        ends = (kept[order].cumsum(0) - 1).tolist()
        begin, seen = 0, 0
        for batch in steps:
            seen += len(batch)
            end = len(order) if seen == int(kept.sum()) else ends.index(seen)
            ByLayer.size = len(batch)
            yield order[begin:end]
            begin = end

    def update(self, candidates: Tensor) -> Tensor:
        """Make the step."""
        if self.epoch < self.epochs // 2:
            return super().update(candidates)
        if self.dba is None:
            self.dba = DynamicBatch(self._model, rule="audit_nearest", order="distance", check=0)
        logits: Tensor = self._model(self._data.images_at(candidates))
        self._optimizer.zero_grad()
        self.dba.backward(F.cross_entropy(logits, self._data.labels[candidates], reduction="none"))
        self._optimizer.step()
        return logits.detach()


@register_rule("audit_nearest")
def nearest(problem: SelectionProblem) -> Tensor:
    """The first of the order, as many as the step says."""
    return problem.first(ByLayer.size, problem.ranks())


AUDITS = {AUDIT: MemoryTraining, PLAIN: Plain, LAYERS: ByLayer}


def measured(case: Case) -> Iterator[dict[str, object]]:
    """Yield the rows of one case."""
    for how in AUDITS:
        yield {"contestant": how, "ranking": "margin", "length": 1.0, **case.audit(how)}
    yield from case.cross_validation()


def rows(options: "harness.argparse.Namespace", file: Path) -> pd.DataFrame:
    """Measure what the file does not hold, add it there, and return all of it."""
    began, going_on = time.monotonic(), options.minutes > 0
    chosen = {name: read for name, read in DATA.items() if options.only in name}
    if not going_on and file.exists():
        others = pd.read_csv(file).query("data not in @chosen")
        file.unlink()
        if len(others):
            others.to_csv(file, index=False)
    seeds = range(options.first, options.first + (1 if options.quick else options.seeds))
    for name, read in chosen.items():
        for seed in seeds:
            for rate in RATES:
                kept = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=["data", "rate", "seed"])
                if ((kept["data"] == name) & (kept["rate"] == rate) & (kept["seed"] == seed)).any():
                    continue
                if options.quick and name == "colour images":
                    continue
                if going_on and time.monotonic() - began > 60 * options.minutes:
                    return kept
                try:
                    case = Case(read, rate, seed)
                except UserError as error:
                    harness.say(f"{name}: left out ({error})")
                    continue
                harness.say(f"{name}, {rate:.0%}, seed {seed}")
                head = {"data": name, "rate": rate, "seed": seed}
                new = pd.DataFrame([head | row for row in measured(case)])
                new.to_csv(file, mode="a", header=not file.exists(), index=False)
    return pd.read_csv(file)


def report(frame: pd.DataFrame, conditions: str) -> str:
    """Return the tables."""
    quality: dict[str, list[dict[str, object]]] = {"auroc": [], "ap": []}
    sizes, others = [], []
    for (name, rate), case in frame.groupby(["data", "rate"], sort=False):
        head: dict[str, object] = {"data": name, "seeds": case["seed"].nunique(), "wrong": f"{rate:.0%}"}
        for figure, rows in quality.items():
            ours, same = of(case, AUDIT)[figure], best(case[case["length"] == 1], figure)
            apart = ours - same
            verdict = harness.verdict(apart.mean(), 0, at_least=True).partition(": ")[2]
            if -apart.std() < apart.mean() < 0:
                verdict += " by less than its spread: a tie"
            rows.append(
                head
                | {
                    "audit": spread(ours),
                    "cleanlab": spread(same),
                    "audit - cleanlab": spread(apart, signed=True),
                    "at least equal": verdict,
                    "cleanlab, best length": spread(best(case, figure)),
                }
            )
        others.append(
            head
            | {
                f"{title}: {who}": spread(of(case, who)[figure])
                for figure, title in (("auroc", "AUROC"), ("ap", "AP"))
                for who in (AUDIT, PLAIN, LAYERS)
            }
        )
    for name, case in frame.groupby("data", sort=False):
        full = case[(case["length"] == 1) & (case["ranking"] != RANKINGS[1])]
        took = full.pivot_table(index=["rate", "seed"], columns="contestant", values="seconds")
        share = (took[AUDIT] / took[CLEANLAB]).median()
        row = {"data": name, "cleanlab, s": f"{took[CLEANLAB].median():.2f}"}
        row |= {f"{who}, s": f"{took[who].median():.2f}" for who in (AUDIT, PLAIN, LAYERS)}
        row |= {"audit / cleanlab": harness.ratio(took, AUDIT, CLEANLAB, 3)}
        row |= {"by layer / cleanlab": harness.ratio(took, LAYERS, CLEANLAB, 3)}
        row |= {"target": harness.verdict(share, TARGET)}
        of_rate = case[case["contestant"] == AUDIT].groupby("rate")["contradicted"].mean()
        row |= {f"contradicted at {rate:.0%}": f"{100 * value:.0f} %" for rate, value in of_rate.items()}
        sizes.append(row)
    return f"""# Wrong labels found

Regenerate with `python benchmarks/audit.py` (cleanlab {harness.installed("cleanlab")}). A share of
the labels is replaced by another class at random, and each contestant ranks the samples; it is told
neither the share nor which. Mean and standard deviation over seeds from 0 on, as many as the table says
(labels, weights, batches and folds; on MNIST the images too); the method was chosen on seeds 100 to
119, none of which is here. cleanlab ranks by out-of-sample probabilities of five-fold
cross-validation of the network and optimizer of `dba audit`, each fold trained for {EPOCHS} times as
many updates as there are batches in the data, which is what the audit would make if it left nothing
out. Its column is the better of self confidence and normalized margin in that row and figure; "best
length" lets it also stop after a quarter or half of the updates, whichever is best in hindsight.

Area under the ROC curve:

{harness.table(quality["auroc"])}

Average precision:

{harness.table(quality["ap"])}

Processor seconds of one thread, medians over seeds and rates, the sides of a case one after the other; and
how many labels the audit's network contradicts beside the shares that are wrong. Cases may be measured in
several executions (--minutes); the load below is that of the last.

{harness.table(sizes)}

What the selection is worth: the same ranking where every sample is used throughout ("no selection"), and
where in the second half each layer chooses for itself, by DBA's order `distance`, as many samples of a
step's candidates as the memory would keep of them ("chosen by layer").

What was weighed on the seeds it was chosen by: a plain first half of 4 to 18 of the {EPOCHS} epochs, a
memory that forgets faster, and leaving out whatever is contradicted at all or only what is contradicted
twice as clearly. An earlier and stricter selection ranks better where the network learns wrong labels by
heart within the plain half (MNIST), a later and looser one where it does not (digits, the table); what
stands here was at least equal to cleanlab's ranking on these three there.

{harness.table(others)}

{conditions}
"""


def of(case: pd.DataFrame, who: str) -> pd.DataFrame:
    """Return a contestant's rows, by seed."""
    return case[case["contestant"] == who].set_index("seed")


def best(case: pd.DataFrame, figure: str) -> "pd.Series[float]":
    """Return by seed the figure of the cleanlab ranking and length that is best over all seeds."""
    wide = case[case["contestant"] == CLEANLAB].pivot_table(
        index="seed", columns=["ranking", "length"], values=figure
    )
    return wide[wide.mean().idxmax()]


def spread(values: "pd.Series[float]", *, signed: bool = False) -> str:
    """Return mean and standard deviation; of a single seed its figure alone."""
    mean = f"{values.mean():{'+' if signed else ''}.4f}"
    return f"{mean} ± {values.std():.4f}" if len(values) > 1 else mean


if __name__ == "__main__":
    options = harness.arguments(__doc__, seeds=5, first=0, minutes=0, only={"default": ""})
    harness.main(options, rows(options, options.output / "audit.csv"), report)
