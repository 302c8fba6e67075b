// Pictures made smaller by averaging areas and larger bilinearly, with the results that OpenCV gives.

import { plane } from "./image.js";
import { rint } from "./numbers.js";

const { ceil, floor, fround, min } = Math;

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
  const places = (inputs, outputs) =>
    Array.from({ length: outputs }, (_, i) => {
      const at = fround((i + 0.5) * (inputs / outputs) - 0.5);
      const low = floor(at);
      if (low < 0) return [0, 0, 0];
      if (low >= inputs - 1) return [inputs - 1, inputs - 1, 0];
      return [low, low + 1, fround(at - low)];
    });
  const [columns, rows] = [places(p.w, w), places(p.h, h)];
  const out = plane(w, h);
  const line = (y) => {
    const found = new Float32Array(w);
    columns.forEach(([a, b, t], x) => {
      found[x] = fround(p.data[y * p.w + a] * fround(1 - t)) + fround(p.data[y * p.w + b] * t);
    });
    return found;
  };
  const lines = new Map();
  rows.forEach(([a, b, t], y) => {
    for (const row of [a, b]) if (!lines.has(row)) lines.set(row, line(row));
    const [above, below] = [lines.get(a), lines.get(b)];
    for (let x = 0; x < w; x++) {
      out.data[y * w + x] = fround(above[x] * fround(1 - t)) + fround(below[x] * t);
    }
  });
  return out;
}
