"""A plain MNIST network in stock PyTorch, as tutorials have it, and MNIST's normalisation.

PYTHON benchmarks/peers/mnist_cnn.py MNIST-FOLDER    # trains; about two minutes on one core

MNIST-FOLDER holds the four IDX files, as `tenfold data fetch mnist` leaves them. The weights go to
mnist-cnn.pt beside this file; git ignores it.
"""

import argparse
import gzip
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

WEIGHTS = Path(__file__).with_name("mnist-cnn.pt")
MEAN, DEVIATION = 0.1307, 0.3081  # of MNIST's pixels
EPOCHS, BATCH, LEARNING_RATE = 1, 128, 1e-3
DIGIT_PX, SIDE_PX = 20, 28
MIN_CONTRAST = 15  # grey levels


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


def normalize(picture: np.ndarray) -> np.ndarray | None:
    """Prepare a picture as MNIST's images were: scaled to 20 pixels, centred by its mass.

    Args:
        picture: uint8[h, w] or uint8[h, w, 3].

    Returns:
        float32[28, 28]; None where there is nothing to see.
    """
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)  # noqa: PLR2004
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    paper = float(np.median(border))
    strokes = np.abs(grey.astype(np.float32) - paper)
    if strokes.max() < MIN_CONTRAST:
        return None
    scaled = (strokes * (255 / strokes.max())).astype(np.uint8)
    threshold, mask = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    x, y, w, h = cv2.boundingRect(mask)
    crop = np.where(scaled > threshold / 2, scaled, 0)[y : y + h, x : x + w].astype(np.float32)
    factor = DIGIT_PX / max(h, w)
    size = (max(1, round(w * factor)), max(1, round(h * factor)))
    small = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    moments = cv2.moments(small)
    middle = (SIDE_PX - 1) / 2
    shift = [middle - moments[m] / moments["m00"] for m in ("m10", "m01")]
    moved = cv2.warpAffine(small, np.float32([[1, 0, shift[0]], [0, 1, shift[1]]]), (SIDE_PX,) * 2)
    return (moved / max(1.0, float(moved.max())) - np.float32(MEAN)) / np.float32(DEVIATION)


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
