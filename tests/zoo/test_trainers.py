"""Training by other people's trainers ends where theirs ends, if DBA keeps every sample."""

import copy
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dba_cli import DynamicBatch
from dba_cli.data import import_torchvision

pytest.importorskip("transformers")
import_torchvision()

EXAMPLES = Path(__file__).parents[2] / "examples"


# Before the Trainer's: accelerate keeps the mixed precision of the last Accelerator.
@pytest.mark.parametrize("accumulate", [1, 2])
def test_accelerate_ends_in_the_weights_of_plain_training(accumulate: int) -> None:
    accelerate = pytest.importorskip("accelerate")
    generator = torch.Generator().manual_seed(0)
    data = torch.utils.data.TensorDataset(torch.randn(24, 7, generator=generator), torch.arange(24) % 3)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 3))
    trained: list[list[Tensor]] = []
    for selecting in (False, True):
        accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
        model = copy.deepcopy(network)
        model, optimizer, batches = accelerator.prepare(
            model, torch.optim.SGD(model.parameters(), lr=0.1), torch.utils.data.DataLoader(data, 4)
        )
        dba = DynamicBatch(model, rule="all")
        for x, y in batches:
            with accelerator.accumulate(model):
                losses = F.cross_entropy(model(x), y, reduction="none")
                if selecting:
                    dba.backward(losses / accelerator.gradient_accumulation_steps)
                else:
                    accelerator.backward(losses.mean())
                accelerator.clip_grad_norm_(model.parameters(), 0.5)
                optimizer.step()
                optimizer.zero_grad()
        trained.append([p.detach() for p in model.parameters()])
        accelerator.free_memory()
    torch.testing.assert_close(*trained)
    assert not torch.equal(trained[0][0], network[0].weight)


@pytest.fixture(scope="module")
def trainer_example() -> dict[str, Any]:
    return run_path(str(EXAMPLES / "huggingface_trainer.py"))


def vit() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    return ViTForImageClassification(
        ViTConfig(
            image_size=8, patch_size=4, num_channels=1, hidden_size=16, intermediate_size=32,
            num_hidden_layers=2, num_attention_heads=2, num_labels=3,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"gradient_accumulation_steps": 2, "max_grad_norm": 0.5},
        {"activation_checkpointing": True},
        {"bf16": True, "gradient_accumulation_steps": 2, "activation_checkpointing": True},
    ],
    ids=str,
)
def test_huggingface_trainer_ends_in_the_weights_of_plain_training(
    trainer_example: dict[str, Any], tmp_path: Path, settings: dict[str, Any]
) -> None:
    from transformers import Trainer, TrainingArguments

    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(40, 1, 8, 8, generator=generator), torch.arange(40) % 3
    trained = []
    for kind in (Trainer, trainer_example["DynamicBatchTrainer"]):
        trainer = kind(
            model=vit(),
            args=TrainingArguments(
                output_dir=str(tmp_path), max_steps=5, per_device_train_batch_size=4, learning_rate=0.1,
                optim="sgd", use_cpu=True, report_to="none", save_strategy="no", disable_tqdm=True,
                dataloader_pin_memory=False, logging_strategy="no", **settings,
            ),
            train_dataset=trainer_example["Digits"](images, labels),
        )  # fmt: skip
        if hasattr(trainer, "dba"):
            trainer.dba = DynamicBatch(trainer.model, rule="all")
        trainer.train()
        trained.append([p.detach() for p in trainer.model.parameters()])
    start = [p.detach() for p in vit().parameters()]
    moved = max(float((p - s).abs().max()) for p, s in zip(trained[0], start, strict=True))
    error = max(float((p - q).abs().max()) for p, q in zip(*trained, strict=True))
    assert moved > 1e-3
    assert error < (0.05 if settings.get("bf16") else 1e-4) * moved
