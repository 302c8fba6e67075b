// MNIST normalisation: scale a digit into a box of 20 pixels, then centre its mass in 28 x 28.

import { above, cropped, dilatedRound, emptyMask, plane } from "./image.js";
import { largest, rint } from "./numbers.js";
import { product } from "./resize.js";

const { abs, ceil, floor, fround, max, min, trunc } = Math;

export const SIDE = 28;
export const CONFIG = {
  digitSide: 20, // pixels of the longer side of a normalised digit
  minStrokeWidthPx: 1.7, // after scaling; thinner strokes would fade away
  maxRadiusPx: 16, // of the kernel that widens strokes; larger digits are made smaller first
  strokeBodyOfMax: 0.4, // pixels darker than this share of the darkest are a stroke's body
};
// Half a grey level rounds up, also when a sum of floats falls slightly short of the half.
const ROUND_HALF_UP = 0.5 + 1e-3;

/** Normalise one digit, 0 ... 1, as MNIST's digits are: a plane of 28 x 28 bytes, white on black. */
export function normalizeDigit(foreground) {
  const [top, left, bottom, right] = foregroundBox(foreground);
  if (!bottom) return emptyMask(SIDE, SIDE);
  const digit = widenThinStrokes(cropped(foreground, top, left, bottom, right));
  const scale = CONFIG.digitSide / max(digit.h, digit.w);
  const [rows, columns] = [max(1, rint(digit.h * scale)), max(1, rint(digit.w * scale))];
  const small = product(resizeMatrix(rows, digit.h), digit, resizeMatrix(columns, digit.w));
  const factor = fround(255 / max(largest(small.data), 1e-6));
  small.data.forEach((value, i) => (small.data[i] = value * factor));
  return centerByMass(small);
}

/** Top, left, bottom, right of the pixels above 0, the ends exclusive; 0s if none is. */
export function foregroundBox({ w, h, data }) {
  let [top, left, bottom, right] = [h, w, 0, 0];
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      if (data[y * w + x] > 0) {
        if (y < top) top = y;
        if (x < left) left = x;
        if (y >= bottom) bottom = y + 1;
        if (x >= right) right = x + 1;
      }
    }
  }
  return bottom ? [top, left, bottom, right] : [0, 0, 0, 0];
}

/** Widen strokes that would be thinner than `minStrokeWidthPx` once scaled down. */
function widenThinStrokes(foreground) {
  const scale = CONFIG.digitSide / max(foreground.h, foreground.w);
  if (scale >= 1) return foreground;
  const body = above(foreground, fround(CONFIG.strokeBodyOfMax) * largest(foreground.data));
  const radius = rint((CONFIG.minStrokeWidthPx / scale - strokeWidth(body)) / 2);
  if (radius < 1) return foreground;
  const factor = ceil(radius / CONFIG.maxRadiusPx);
  return dilatedRound(factor > 1 ? maxPooled(foreground, factor) : foreground, rint(radius / factor));
}

/** Make a plane smaller by the maximum over squares of `factor` pixels a side. */
function maxPooled({ w, h, data }, factor) {
  const small = plane(ceil(w / factor), ceil(h / factor));
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const at = floor(y / factor) * small.w + floor(x / factor);
      small.data[at] = max(small.data[at], data[y * w + x]);
    }
  }
  return small;
}

/** The mean width of strokes: one of length l and width w covers l w pixels, its outline has 2 l. */
function strokeWidth({ w, h, data }) {
  let [area, inner] = [0, 0];
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const at = y * w + x;
      if (!data[at]) continue;
      area++;
      if (x === 0 || y === 0 || x === w - 1 || y === h - 1) continue;
      const row = (i) => data[i - 1] && data[i] && data[i + 1];
      if (row(at - w) && row(at) && row(at + w)) inner++;
    }
  }
  return (2 * area) / max(area - inner, 1);
}

/** Place an image of at most 20 x 20 grey levels into 28 x 28 by its centre of mass. */
function centerByMass({ w, h, data }) {
  const pixels = data.map((value) => trunc(min(max(fround(value + fround(ROUND_HALF_UP)), 0), 255)));
  let [mass, down, across] = [0, 0, 0];
  pixels.forEach((value, i) => {
    mass += value;
    down += value * floor(i / w);
    across += value * (i % w);
  });
  const start = (moment, side) =>
    min(max(ceil((SIDE - 1) / 2 - moment / max(mass, 1)), 0), SIDE - side);
  const [top, left] = [start(down, h), start(across, w)];
  const image = emptyMask(SIDE, SIDE);
  pixels.forEach((value, i) => {
    image.data[(top + floor(i / w)) * SIDE + left + (i % w)] = value;
  });
  return image;
}

/** The matrix that resizes one axis: of each output the inputs and their weights. */
function resizeMatrix(outputs, inputs) {
  const ratio = inputs / outputs;
  return Array.from({ length: outputs }, (_, i) => {
    const parts = [];
    if (ratio >= 1) {
      const [low, high] = [i * ratio, (i + 1) * ratio];
      for (let j = max(floor(low) - 1, 0); j < min(ceil(high) + 1, inputs); j++) {
        const weight = max(min(high, j + 1) - max(low, j), 0) / ratio;
        if (weight) parts.push([j, fround(weight)]);
      }
    } else {
      const centre = min(max((i + 0.5) * ratio - 0.5, 0), inputs - 1);
      for (let j = max(floor(centre) - 1, 0); j < min(ceil(centre) + 2, inputs); j++) {
        const weight = max(1 - abs(centre - j), 0);
        if (weight) parts.push([j, fround(weight)]);
      }
    }
    return parts;
  });
}
