// Pictures made smaller by averaging areas, larger bilinearly or by cubic interpolation, with the
// results that OpenCV gives.

import { plane, transposed } from "./image.js";
import { rint } from "./numbers.js";

const { ceil, floor, fround, max, min } = Math;

/** Resize a plane of bytes by a factor. */
export function resized(p, scale) {
  if (scale === 1) return p;
  const [w, h] = [p.w, p.h].map((side) => max(1, rint(side * scale)));
  return scale < 1 ? shrunk(p, w, h) : enlargedCubic(p, w, h);
}

/** Which inputs make up each output, and with what weight, when a line is made shorter. */
function areas(inputs, outputs) {
  const scale = 1 / (outputs / inputs);
  return Array.from({ length: outputs }, (_, i) => {
    const [low, high] = [i * scale, i * scale + scale];
    const cell = min(scale, inputs - low);
    const last = min(floor(high), inputs - 1);
    const first = min(ceil(low), last);
    const parts = [];
    if (first - low > 1e-3) parts.push([first - 1, fround((first - low) / cell)]);
    for (let j = first; j < last; j++) parts.push([j, fround(1 / cell)]);
    if (high - last > 1e-3) parts.push([last, fround(min(high - last, 1, cell) / cell)]);
    return parts;
  });
}

/** Make interleaved channels smaller by averaging areas; bytes are rounded. */
export function shrunk(p, w, h, channels = 1) {
  const bytes = p.data instanceof Uint8Array;
  const whole = p.w % w === 0 && p.h % h === 0;
  const out = plane(w, h, new p.data.constructor(w * h * channels));
  const [columns, rows] = [areas(p.w, w), areas(p.h, h)];
  const pixels = (p.w / w) * (p.h / h);
  const toByte = whole && pixels === 4 ? (v) => floor(v + 0.5) : rint;
  const sums = new Float64Array(w * channels);
  for (let y = 0; y < h; y++) {
    sums.fill(0);
    for (const [row, down] of rows[y]) {
      for (let x = 0; x < w; x++) {
        for (let c = 0; c < channels; c++) {
          let sum = 0;
          for (const [column, across] of columns[x]) {
            const value = p.data[(row * p.w + column) * channels + c];
            sum = whole ? sum + value : fround(sum + fround(value * across));
          }
          const at = x * channels + c;
          sums[at] = whole ? sums[at] + sum : fround(sums[at] + fround(sum * down));
        }
      }
    }
    for (let i = 0; i < sums.length; i++) {
      const mean = whole ? fround(sums[i] * fround(1 / pixels)) : sums[i];
      out.data[y * sums.length + i] = bytes ? toByte(mean) : mean;
    }
  }
  return out;
}

/** Make a plane larger, bilinearly. */
export function enlarged(p, w, h) {
  if (p.w === w && p.h === h) return p;
  const weights = (t) => [1 - t, t];
  return product(interpolation(p.h, h, 0, weights), p, interpolation(p.w, w, 0, weights));
}

const CUBIC = -0.75; // the slope of the kernel at 1

/** Make a plane of bytes larger by cubic interpolation (Keys 1981). */
function enlargedCubic(p, w, h) {
  const far = (x) => ((CUBIC * x - 5 * CUBIC) * x + 8 * CUBIC) * x - 4 * CUBIC;
  const near = (x) => ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1;
  const weights = (t) => [far(t + 1), near(t), near(1 - t), far(2 - t)];
  const { data } = product(interpolation(p.h, h, 1, weights), p, interpolation(p.w, w, 1, weights));
  return plane(w, h, Uint8Array.from(data, (value) => min(max(rint(value), 0), 255)));
}

/** Which inputs make up each output when a line is made longer: `before` of them lie before another. */
function interpolation(inputs, outputs, before, weights) {
  return Array.from({ length: outputs }, (_, i) => {
    const at = fround((i + 0.5) * (inputs / outputs) - 0.5);
    const first = floor(at) - before;
    return weights(at - floor(at)).map((weight, k) => [min(max(first + k, 0), inputs - 1), fround(weight)]);
  });
}

/** The product of a matrix, a plane and a transposed matrix; of a matrix [column, weight] in each row. */
export const product = (rows, p, columns) => transposed(combined(columns, transposed(combined(rows, p))));

/** Weighted sums of a plane's rows. */
function combined(rows, p) {
  const out = plane(p.w, rows.length);
  rows.forEach((parts, y) => {
    for (let x = 0; x < p.w; x++) {
      let sum = 0;
      for (const [j, weight] of parts) sum += weight * p.data[j * p.w + x];
      out.data[y * p.w + x] = sum;
    }
  });
  return out;
}
