// Straightening the cells of a lattice: a flat picture of them, from full resolution.

import { plane, sample } from "./image.js";
import { distance } from "./lattice.js";
import { median, rint, sum } from "./numbers.js";
import { shrunk } from "./resize.js";

const { ceil, floor, fround, max, min, sqrt, trunc } = Math;

export const CONFIG = {
  maxPixels: 16e6,
  maxReduction: 2, // more than so often as large as it is needed, a picture is made smaller first
};

/** The median width of each column and height of each row, given rows of positions where rules cross. */
export function cellSizes(corners) {
  return {
    widths: corners[0].slice(1).map((_, x) => median(corners.map((row) => distance(row[x], row[x + 1])))),
    heights: corners.slice(1).map((row, y) => median(row.map((corner, x) => distance(corner, corners[y][x])))),
  };
}

/** Map the cells of a lattice in a plane of bytes to rectangles: see `Straightened` of tenfold.
 *
 * Returns {grey, rows, columns, corners}: a plane, the positions of the rules in it from the top and
 * from the left, and the lattice's corners. A cell of the median height becomes `cellHeight` high.
 */
export function straighten(grey, { corners }, cellHeight) {
  const { widths, heights } = cellSizes(corners);
  const unit = max(median(heights), 1);
  const scale = min(cellHeight / unit, sqrt(CONFIG.maxPixels / (sum(widths) * sum(heights))));
  const [rows, columns] = [heights, widths].map((sizes) =>
    sizes.reduce((edges, size) => [...edges, edges.at(-1) + size * scale], [0]));
  const [h, w] = [rows, columns].map((edges) => max(1, rint(edges.at(-1))));
  const { part, factors } = reduced(grey, scale);
  const straight = plane(w, h, new Uint8Array(w * h));
  const across = Array.from({ length: w }, (_, x) => placeOf(x + 0.5, columns));
  for (let y = 0; y < h; y++) {
    const rule = ruleAt(corners, placeOf(y + 0.5, rows));
    const xy = [0, 1].map((axis) => rule.map((corner) => corner[axis]));
    for (let x = 0; x < w; x++) {
      const at = (axis) => (fround(between(xy[axis], across[x])) + 0.5) * factors[axis] - 0.5;
      straight.data[y * w + x] = sample(part, at(0), at(1));
    }
  }
  return { grey: straight, rows, columns, corners };
}

/** The row and column of the cell in which a position of a straightened picture is. */
export function cellOf({ rows, columns }, [x, y]) {
  return [[rows, y], [columns, x]].map(([edges, at]) => edges.slice(1, -1).filter((edge) => edge <= at).length);
}

/** The box of the original picture around a box of the straightened one. */
export function boxInOriginal({ rows, columns, corners }, [left, top, right, bottom]) {
  const [[x0, x1], [y0, y1]] = [[[left, right], columns], [[top, bottom], rows]]
    .map(([ends, edges]) => ends.map((end) => placeOf(end, edges)));
  const mapped = [[y0, x0], [y0, x1], [y1, x1], [y1, x0]].map(([row, column]) => {
    const rule = ruleAt(corners, row);
    return [0, 1].map((axis) => fround(between(rule.map((corner) => corner[axis]), column)));
  });
  const of = (extreme, axis) => extreme(...mapped.map((position) => position[axis]));
  return [max(floor(of(min, 0)), 0), max(floor(of(min, 1)), 0), ceil(of(max, 0)), ceil(of(max, 1))];
}

/** The fraction of rows or columns that a position is at, from the first edge to the last. */
function placeOf(at, edges) {
  const last = edges.length - 1;
  if (at <= edges[0]) return 0;
  if (at >= edges[last]) return last;
  let i = 0;
  while (edges[i + 1] <= at) i++;
  return i + (at - edges[i]) / (edges[i + 1] - edges[i]);
}

/** Positions as corners are, of a rule at a fraction of rows. */
function ruleAt(corners, row) {
  const top = min(trunc(row), corners.length - 2);
  const dy = row - top;
  return corners[top].map((above, x) => above.map((at, axis) => at * (1 - dy) + corners[top + 1][x][axis] * dy));
}

/** What lies between two of some values, at a fraction of their places. */
function between(values, place) {
  const left = min(trunc(place), values.length - 2);
  return values[left] + (values[left + 1] - values[left]) * (place - left);
}

/** A smaller picture if `scale` asks for it, and by what x and y are then multiplied. */
function reduced(grey, scale) {
  const reduction = scale * CONFIG.maxReduction;
  if (reduction >= 1) return { part: grey, factors: [1, 1] };
  const [w, h] = [grey.w, grey.h].map((side) => max(1, rint(side * reduction)));
  return { part: shrunk(grey, w, h), factors: [w / grey.w, h / grey.h] };
}
