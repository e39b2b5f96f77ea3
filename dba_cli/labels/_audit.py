"""An audit from data to its files: the ranking as a CSV, and a page that shows what to look at first."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dba_cli import __version__
from dba_cli.data import keep_out
from dba_cli.errors import UserError
from dba_cli.experiments import Reporter, read_checkpoint, sweep_folder, write_checkpoint
from dba_cli.labels._memory import EPOCHS, MemoryTraining
from dba_cli.labels._page import audit_page
from dba_cli.labels._subject import Subject, subject
from dba_cli.records import csv_text, ensure_writable, locked, write_atomically
from dba_cli.training import Stream, TensorData, build_model, generator

if TYPE_CHECKING:
    import pandas as pd

TOP = 100
_SAVE_SECONDS = 30.0
_SAY_SECONDS = 5.0


@dataclass(frozen=True, eq=False)
class Audit:
    """The ranking, and where it is written."""

    frame: "pd.DataFrame"
    """``sample``, ``label``, ``likely_label`` and ``score``, the most suspicious first.

    The score is by how much another class's output exceeded the label's, in logits, the mean over the second
    half of training. Above 0 the network contradicts the label.
    """
    ranking: Path
    page: Path

    @property
    def contradicted(self) -> int:
        """Number of labels that the network contradicts: no estimate of how many are wrong."""
        return int((self.frame["score"] > 0).sum())

    @property
    def sentence(self) -> str:
        """What can be said of the number."""
        return (
            f"The network contradicts {self.contradicted:,} of {len(self.frame):,} labels. Samples that are"
            " merely hard are among them: it is a list to look through from the top, not the number of wrong"
            " labels."
        )


def audit_labels(
    path: Path,
    target: str | None = None,
    *,
    seed: int | None = None,
    top: int = TOP,
    overrides: Sequence[str] = (),
    data_dir: Path = Path("data"),
    results: Path = Path("results"),
    device: torch.device | None = None,
    reporter: Reporter | None = None,
) -> Audit:
    """Rank the labels of data of one's own, or of a recorded run, by how probably they are wrong.

    One network is trained, and nothing is written but ``labels.csv`` and ``labels.html`` in the folder
    NAME_audit of the results. An audit that is stopped goes on where it was.

    Args:
        path: a folder of images, a ``.npz``, a CSV, or a recorded run's folder. Nothing in it is changed.
        target: the column of a CSV that holds the classes.
        seed: of the weights and the order of batches; 0 unless given, a run's own.
        top: samples that the page shows.
        overrides: of the network and its optimizer, such as ``model.kind=resnet``.
        data_dir: the folder of the official data, for recorded runs.
        results: where the audit's folder is made.
        device: what computes.
        reporter: is told what happens.

    Raises:
        UserError: Bad data or options, or a folder that cannot be written.
    """
    reporter = reporter or Reporter()
    device = device or torch.device("cpu")
    of = subject(path, target, seed, overrides, data_dir, reporter.notice, reporter.say)
    folder = sweep_folder(results, f"{of.name}_audit")
    keep_out(path, folder)
    ensure_writable(folder)
    with locked(folder) as mine:
        if not mine:
            raise UserError(f"{folder}: another process is at work there: wait, or give another --results")
        training = _trained(of, folder, device, reporter)
        audit = Audit(_ranked(of, training), folder / "labels.csv", folder / "labels.html")
        write_atomically(audit.ranking, csv_text(audit.frame))
        write_atomically(audit.page, audit_page(of, audit.frame, audit.sentence, top))
        (folder / _STATE).unlink(missing_ok=True)
    return audit


_STATE = "state.pt"


def _trained(of: Subject, folder: Path, device: torch.device, reporter: Reporter) -> MemoryTraining:
    file, identity = folder / _STATE, _identity(of, device)
    training = _fresh(of, device)
    try:
        state = read_checkpoint(file)
        if state is not None and state["identity"] == identity:
            training.load_state_dict(state["training"])
            reporter.say(f"Goes on after epoch {training.epoch} of {training.epochs}.")
    except (UserError, KeyError, RuntimeError, ValueError, TypeError) as error:
        reporter.notice(f"{file}: no usable state ({' '.join(str(error).split())[:100]}); begins anew")
        training = _fresh(of, device)
    saved = said = began = time.monotonic()
    first = training.epoch
    try:
        while training.epoch < training.epochs:
            training.advance()
            now = time.monotonic()
            if now - said >= _SAY_SECONDS:
                said = now
                left = (now - began) / (training.epoch - first) * (training.epochs - training.epoch)
                reporter.say(f"Epoch {training.epoch} of {training.epochs}, about {left:.0f} s left.")
            if now - saved >= _SAVE_SECONDS:
                saved = now
                _save(file, {"identity": identity, "training": training.state_dict()}, reporter)
    except UserError as error:
        raise UserError(f"{of.name}: {error}") from None
    return training


def _save(file: Path, state: dict[str, Any], reporter: Reporter) -> None:
    try:
        write_checkpoint(file, state)
    except UserError as error:  # a full disk costs what was saved, not the audit
        reporter.notice(f"{error}; the audit goes on without it")


def _fresh(of: Subject, device: torch.device) -> MemoryTraining:
    config, data = of.config, of.data
    seed, entry = config.seeds[0], config.optimizers[0]
    shape = tuple(data.images.shape[1:])
    weights = generator(seed, Stream.WEIGHTS)
    model = build_model(config.model, shape, len(of.classes), weights, of.standardize).to(device)
    optimizer = entry.base_optimizer.build(model.parameters())
    batch = entry.batch_size or config.training.batch_size
    there = TensorData(data.images.to(device), data.labels.to(device))
    order = generator(seed, Stream.ORDER)
    return MemoryTraining(model, optimizer, there, len(of.classes), batch, order, EPOCHS)


def _identity(of: Subject, device: torch.device) -> str:
    """Return what a state must be of to be gone on from."""
    digest = hashlib.sha256()
    config = of.config.model_dump_json(include={"model", "training", "optimizers", "seeds"})
    digest.update(repr((__version__, torch.__version__, str(device), EPOCHS, config)).encode())
    for tensor in (of.data.images, of.data.labels):
        digest.update(repr(tuple(tensor.shape)).encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _ranked(of: Subject, training: MemoryTraining) -> "pd.DataFrame":
    import pandas as pd

    def named(labels: Tensor) -> list[str]:
        return [of.classes[label] for label in labels.tolist()]

    scores = -training.margins.double()
    order = scores.argsort(descending=True, stable=True)
    likely = training.probabilities.argmax(1)
    return pd.DataFrame(
        {
            "sample": [of.sources[i] for i in order.tolist()],
            "label": named(of.data.labels[order]),
            "likely_label": named(likely[order]),
            "score": scores[order].numpy().round(4),
        },
        index=order.tolist(),
    )
