"""The edge of the paper spares what is written; folds are mild."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tenfold.rendering.glyphs import Glyph
from tenfold.rendering.ground import add_desk, add_fold
from tenfold.rendering.scene import Scene


@given(seed=st.integers(0, 9_999), x=st.floats(-70, 70), y=st.floats(-10, 10))
def test_no_character_lies_on_the_desk(seed: int, x: float, y: float) -> None:
    random = np.random.default_rng(seed)
    scene = Scene((64, 192), (1.0, 0.0), random, max_labels=16)
    scene.place(Glyph("3", np.ones((30, 20), np.float32)), (x, y), 1.0)
    add_desk(scene, random)
    if scene.desk is not None:
        assert (scene.desk >= 0).any()
        assert not ((scene.desk >= 0) & (scene.ink > 0)).any()


def test_most_papers_end_within_the_crop_where_nothing_is_written() -> None:
    ended = 0
    for seed in range(30):
        random = np.random.default_rng(seed)
        scene = Scene((64, 192), (1.0, 0.0), random, max_labels=16)
        add_desk(scene, random)
        ended += scene.desk is not None
    assert ended >= 25


def test_folds_change_the_light_by_a_third_at_most() -> None:
    for seed in range(30):
        random = np.random.default_rng(seed)
        scene = Scene((64, 192), (1.0, 0.0), random, max_labels=16)
        add_fold(scene, random)
        assert scene.fold is not None
        assert 0.65 < scene.fold.min() <= scene.fold.max() < 1.35
