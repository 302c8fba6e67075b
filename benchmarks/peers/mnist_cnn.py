"""A plain MNIST network in stock PyTorch, as tutorials have it.

PYTHON benchmarks/peers/mnist_cnn.py MNIST-FOLDER    # trains; two minutes on one core

MNIST-FOLDER holds the four IDX files, as `tenfold data fetch mnist` leaves them. The weights go to
mnist-cnn.pt beside this file; git ignores it.
"""

import argparse
import gzip
from pathlib import Path

import numpy as np
import torch
from torch import nn

WEIGHTS = Path(__file__).with_name("mnist-cnn.pt")
MEAN, DEVIATION = 0.1307, 0.3081  # of MNIST's pixels
EPOCHS, BATCH, LEARNING_RATE = 2, 128, 1e-3


def network() -> nn.Sequential:
    """Return two convolutions and a linear layer, as Keras' MNIST example has them."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(0.5), nn.Linear(1600, 10)),
    )


def load() -> nn.Sequential:
    """Return the trained network."""
    trained = network()
    trained.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    return trained.eval()


def classify(model: nn.Sequential, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the most probable digit of each of float32[n, 28, 28] in [0, 1], and how probable."""
    with torch.inference_mode():
        pixels = (torch.from_numpy(images)[:, None] - MEAN) / DEVIATION
        probabilities, digits = model(pixels).softmax(1).max(1)
    return digits.numpy(), probabilities.numpy()


def read_idx(path: Path) -> np.ndarray:
    """Return the array of an IDX file, packed or not."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    axes = data[3]
    shape = np.frombuffer(data, ">i4", axes, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)


def tensors(folder: Path, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return normalised images float32[n, 1, 28, 28] and labels int64[n]."""
    images, labels = (
        read_idx(next(folder.glob(f"{part}-{kind}*"))) for kind in ("images", "labels")
    )
    pixels = (torch.from_numpy(images.copy()).float() / 255 - MEAN) / DEVIATION
    return pixels[:, None], torch.from_numpy(labels.copy()).long()


def main() -> None:
    """Train the network and print its accuracy on the test images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mnist", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, (images, labels) = network(), tensors(options.mnist, "train")
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()
    model.eval()
    images, labels = tensors(options.mnist, "t10k")
    with torch.inference_mode():
        predicted = torch.cat([model(part).argmax(1) for part in images.split(1000)])
    print(f"accuracy on test: {100 * (predicted == labels).float().mean():.2f} %")
    torch.save(model.state_dict(), WEIGHTS)


if __name__ == "__main__":
    main()
