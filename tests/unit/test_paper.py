"""Appearances: within their bounds, and varied."""

import numpy as np

from tenfold.rendering.paper import MAX_TILT_DEG, sample_appearance


def test_appearances_stay_within_their_bounds() -> None:
    random = np.random.default_rng(0)
    appearances = [sample_appearance(random) for _ in range(400)]
    for look in appearances:
        assert max(map(abs, look.tilt_deg[:2])) <= MAX_TILT_DEG
        assert abs(look.tilt_deg[2]) <= 10
        assert look.jpeg_quality is None or 40 <= look.jpeg_quality <= 95
        assert all(
            0 <= channel <= 255
            for channel in (*look.paper_colour, *look.pen_colour, *look.ruling_colour)
        )
    on_dark = sum(sum(look.pen_colour) > sum(look.paper_colour) for look in appearances) / len(
        appearances
    )
    assert 0.06 < on_dark < 0.2
    assert {look.ruling for look in appearances} == {"none", "ruled", "squared", "margin"}
