// Image processing with the results that OpenCV gives.
//
// A plane is {w, h, data}: rows of w numbers one after the other. A mask's data is a Uint8Array of
// 0 and 1. No function changes what it is given.

import { rint, sum } from "./numbers.js";

const { floor, fround, max, min } = Math;

export const plane = (w, h, data = new Float32Array(w * h)) => ({ w, h, data });
const like = (p, w, h) => plane(w, h, new p.data.constructor(w * h));
export const emptyMask = (w, h) => plane(w, h, new Uint8Array(w * h));

/** A mask of the pixels that a test of the value and the index holds for. */
export function maskOf(p, test) {
  const mask = emptyMask(p.w, p.h);
  for (let i = 0; i < mask.data.length; i++) mask.data[i] = test(p.data[i], i) ? 1 : 0;
  return mask;
}

/** A mask of what is above a level, compared as 32-bit floats. */
export function above(p, level) {
  const least = fround(level);
  return maskOf(p, (value) => value > least);
}

/** The plane where a test of the index holds, 0 elsewhere. */
export const kept = (p, test) => plane(p.w, p.h, p.data.map((value, i) => (test(i) ? value : 0)));

export function transposed(p) {
  const out = like(p, p.h, p.w);
  for (let y = 0; y < p.h; y++) {
    for (let x = 0; x < p.w; x++) out.data[x * p.h + y] = p.data[y * p.w + x];
  }
  return out;
}

/** A window [top, bottom) x [left, right). */
export function cropped(p, top, left, bottom, right) {
  const out = like(p, right - left, bottom - top);
  for (let y = top; y < bottom; y++) {
    out.data.set(p.data.subarray(y * p.w + left, y * p.w + right), (y - top) * out.w);
  }
  return out;
}

/** The plane with a border that repeats its edge. */
export function bordered(p, left, top, right, bottom) {
  const out = like(p, p.w + left + right, p.h + top + bottom);
  for (let y = 0; y < out.h; y++) {
    const from = min(max(y - top, 0), p.h - 1) * p.w;
    const to = y * out.w;
    out.data.fill(p.data[from], to, to + left);
    out.data.set(p.data.subarray(from, from + p.w), to + left);
    out.data.fill(p.data[from + p.w - 1], to + left + p.w, to + out.w);
  }
  return out;
}

/** The byte between pixels, bilinearly, in 32-bit floats; beyond the edge, it goes on. */
export function sample({ w, h, data }, x, y) {
  const [u, v] = [fround(x), fround(y)];
  const [left, top] = [floor(u), floor(v)];
  const at = (column, row) => data[min(max(row, 0), h - 1) * w + min(max(column, 0), w - 1)];
  const between = (a, b, t) => fround(a + t * (b - a));
  const across = (row) => between(at(left, row), at(left + 1, row), u - left);
  return rint(between(across(top), across(top + 1), v - top));
}

/** The index inside [0, n) that stands for one outside: the picture mirrored about its last pixel. */
export function mirrored(i, n) {
  if (n === 1) return 0;
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
  return i;
}

// Largest and smallest values

/** The largest value of a window of k, an odd number, along each row (van Herk 1992). */
function largestInRows({ w, h, data }, k) {
  const r = k >> 1;
  const n = w + 2 * r;
  const out = plane(w, h, new data.constructor(data.length));
  const [line, ahead, behind] = [0, 1, 2].map(() => new Float32Array(n).fill(-Infinity));
  for (let y = 0; y < h; y++) {
    const start = y * w;
    for (let x = 0; x < w; x++) line[r + x] = data[start + x];
    for (let i = 0; i < n; i++) {
      ahead[i] = i % k && ahead[i - 1] > line[i] ? ahead[i - 1] : line[i];
    }
    for (let i = n - 1; i >= 0; i--) {
      const more = i < n - 1 && (i + 1) % k && behind[i + 1] > line[i];
      behind[i] = more ? behind[i + 1] : line[i];
    }
    for (let x = 0; x < w; x++) {
      const [a, b] = [behind[x], ahead[x + k - 1]];
      out.data[start + x] = a > b ? a : b;
    }
  }
  return out;
}

/** Dilate by a box of odd sides; nothing comes in from outside. */
export function dilated(p, kx, ky) {
  const rows = kx > 1 ? largestInRows(p, kx) : p;
  return ky > 1 ? transposed(largestInRows(transposed(rows), ky)) : rows;
}

/** The same with large and small exchanged. */
function turned({ w, h, data }) {
  return plane(w, h, data.map(data instanceof Uint8Array ? (value) => 1 - value : (value) => -value));
}

/** Dilate and erode by a box of odd sides. */
export const closed = (p, kx, ky) => turned(dilated(turned(dilated(p, kx, ky)), kx, ky));

/** Dilate by an ellipse of radius r in a square of side 2 r + 1, reaching r pixels beyond the plane. */
export function dilatedRound(p, r) {
  const out = plane(p.w + 2 * r, p.h + 2 * r);
  const wider = new Map();
  for (let dy = -r; dy <= r; dy++) {
    const reach = rint(r * Math.sqrt((r * r - dy * dy) / (r * r)));
    if (!wider.has(reach)) wider.set(reach, widened(p, reach));
    const rows = wider.get(reach);
    for (let y = 0; y < p.h; y++) {
      const from = y * rows.w;
      const to = (y + dy + r) * out.w + r - reach;
      for (let x = 0; x < rows.w; x++) {
        if (rows.data[from + x] > out.data[to + x]) out.data[to + x] = rows.data[from + x];
      }
    }
  }
  return out;
}

/** Dilate each row, `reach` pixels beyond its ends. */
function widened(p, reach) {
  const wide = plane(p.w + 2 * reach, p.h);
  for (let y = 0; y < p.h; y++) wide.data.set(p.data.subarray(y * p.w, (y + 1) * p.w), y * wide.w + reach);
  return dilated(wide, 2 * reach + 1, 1);
}

// Medians and means

/** The median of the 3 x 3 pixels around each. */
export function median3(p) {
  const out = plane(p.w, p.h);
  const five = new Float32Array(6); // the smallest so far, in order; the last place is for what goes
  for (let y = 0; y < p.h; y++) {
    for (let x = 0; x < p.w; x++) {
      let count = 0;
      for (let dy = -1; dy <= 1; dy++) {
        const row = min(max(y + dy, 0), p.h - 1) * p.w;
        for (let dx = -1; dx <= 1; dx++) {
          const value = p.data[row + min(max(x + dx, 0), p.w - 1)];
          let at = count;
          for (; at > 0 && five[at - 1] > value; at--) five[at] = five[at - 1];
          five[at] = value;
          if (count < 5) count++;
        }
      }
      out.data[y * p.w + x] = five[4];
    }
  }
  return out;
}

/** The median of the k x k bytes around each, k odd, the border repeated outwards. */
export function medianOfBytes(p, k) {
  const out = plane(p.w, p.h, new Uint8Array(p.data.length));
  const r = k >> 1;
  const middle = (k * k) >> 1;
  for (let y = 0; y < p.h; y++) {
    const counts = new Int32Array(256);
    let level = 0;
    let below = 0;
    const column = (x, by) => {
      const at = min(max(x, 0), p.w - 1);
      for (let dy = -r; dy <= r; dy++) {
        const value = p.data[min(max(y + dy, 0), p.h - 1) * p.w + at];
        counts[value] += by;
        if (value < level) below += by;
      }
    };
    for (let x = -r; x < r; x++) column(x, 1);
    for (let x = 0; x < p.w; x++) {
      column(x + r, 1);
      while (below > middle) below -= counts[--level];
      while (below + counts[level] <= middle) below += counts[level++];
      out.data[y * p.w + x] = level;
      column(x - r, -1);
    }
  }
  return out;
}

/** Blur by a Gaussian of standard deviation 1 pixel. */
export function blurred(p) {
  const r = 4;
  const weights = Array.from({ length: 2 * r + 1 }, (_, i) => Math.exp(-((i - r) ** 2) / 2));
  const all = sum(weights);
  const around = (n, step) => // of each place the offsets of its neighbours
    Array.from({ length: n }, (_, i) => weights.map((_, j) => mirrored(i + j - r, n) * step));
  const mean = (data, start, offsets) => {
    let total = 0;
    for (let j = 0; j < offsets.length; j++) total += weights[j] * data[start + offsets[j]];
    return total / all;
  };
  const [columns, rows] = [around(p.w, 1), around(p.h, p.w)];
  const across = Float32Array.from(p.data, (_, i) => mean(p.data, i - (i % p.w), columns[i % p.w]));
  return plane(p.w, p.h, across.map((_, i) => mean(across, i % p.w, rows[floor(i / p.w)])));
}
