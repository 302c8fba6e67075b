// MNIST's form: a digit scaled into a box of 20 pixels, its centre of mass in the middle of 28.

import { above, cropped, dilatedRound, plane } from "./image.js";
import { largest, rint } from "./numbers.js";

const { ceil, fround, max, min } = Math;

export const SIDE = 28;
const BOX = 20;
const THINNEST = 1.7; // pixels in MNIST's form: a thinner stroke would fade away when scaled down
const HALF = 0.5 + 1e-3; // grey levels: a half is rounded up, also when a sum falls short of it

/** Bring the ink of one digit, 0 ... 1, to MNIST's form: 784 bytes, white on black. */
export function toForm(ink) {
  const [top, left, bottom, right] = inkBox(ink);
  return bottom ? croppedToForm(cropped(ink, top, left, bottom, right)) : new Uint8Array(SIDE * SIDE);
}

function croppedToForm(given) {
  const ink = keepStrokes(given);
  const scale = BOX / max(ink.h, ink.w);
  const [rows, columns] = [max(1, rint(ink.h * scale)), max(1, rint(ink.w * scale))];
  const small = product(resample(rows, ink.h), ink, resample(columns, ink.w));
  const factor = fround(255 / max(largest(small.data), 1e-6));
  small.data.forEach((value, i) => (small.data[i] = value * factor));
  return centred(small);
}

/** Top, left, bottom, right of what is not 0, the last two exclusive; 0s if all is 0. */
export function inkBox({ w, h, data }) {
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

/** Widen strokes that would be thinner than THINNEST once scaled down. */
function keepStrokes(ink) {
  const scale = BOX / max(ink.h, ink.w);
  if (scale >= 1) return ink;
  const width = strokeWidth(above(ink, fround(fround(0.4) * largest(ink.data))));
  const grow = rint((THINNEST / scale - width) / 2);
  return grow < 1 ? ink : dilatedRound(ink, grow);
}

/** Measure strokes: of length l and width w one covers l w pixels and has an outline of 2 l. */
export function strokeWidth({ w, h, data }) {
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

/** Lay an image of at most 20 pixels a side into 28, its centre of mass in the middle. */
function centred({ w, h, data }) {
  const pixels = data.map((value) => Math.trunc(min(max(fround(value + fround(HALF)), 0), 255)));
  let [mass, down, across] = [0, 0, 0];
  pixels.forEach((value, i) => {
    mass += value;
    down += value * Math.floor(i / w);
    across += value * (i % w);
  });
  const start = (moment, side) =>
    min(max(ceil((SIDE - 1) / 2 - moment / max(mass, 1)), 0), SIDE - side);
  const [top, left] = [start(down, h), start(across, w)];
  const image = new Uint8Array(SIDE * SIDE);
  pixels.forEach((value, i) => {
    image[(top + Math.floor(i / w)) * SIDE + left + (i % w)] = value;
  });
  return image;
}

/** The matrix that resizes a line, of each output the inputs and weights: areas down, bilinear up. */
function resample(outputs, inputs) {
  const ratio = inputs / outputs;
  return Array.from({ length: outputs }, (_, i) => {
    const parts = [];
    if (ratio >= 1) {
      const [low, high] = [i * ratio, (i + 1) * ratio];
      for (let j = max(Math.floor(low) - 1, 0); j < min(ceil(high) + 1, inputs); j++) {
        const weight = max(min(high, j + 1) - max(low, j), 0) / ratio;
        if (weight) parts.push([j, fround(weight)]);
      }
    } else {
      const centre = min(max((i + 0.5) * ratio - 0.5, 0), inputs - 1);
      for (let j = max(Math.floor(centre) - 1, 0); j < min(ceil(centre) + 2, inputs); j++) {
        const weight = max(1 - Math.abs(centre - j), 0);
        if (weight) parts.push([j, fround(weight)]);
      }
    }
    return parts;
  });
}

function product(rows, ink, columns) {
  const tall = plane(ink.w, rows.length);
  rows.forEach((parts, y) => {
    for (let x = 0; x < ink.w; x++) {
      let sum = 0;
      for (const [j, weight] of parts) sum += weight * ink.data[j * ink.w + x];
      tall.data[y * ink.w + x] = sum;
    }
  });
  const small = plane(columns.length, rows.length);
  for (let y = 0; y < rows.length; y++) {
    columns.forEach((parts, x) => {
      let sum = 0;
      for (const [j, weight] of parts) sum += weight * tall.data[y * ink.w + j];
      small.data[y * small.w + x] = sum;
    });
  }
  return small;
}
