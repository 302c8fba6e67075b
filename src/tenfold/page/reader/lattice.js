// From the cells that were found one by one to the rows and columns of grids and tables.
//
// A cell is {objectness, corners}: four positions [x, y], clockwise from top left. A lattice is
// {corners, objectness}: rows of positions, one more each way than there are cells, and rows of
// numbers, 0 where no cell was found but must be.

import { mean, median, sum } from "./numbers.js";

const { abs, max, min, sqrt } = Math;

export const distance = ([ax, ay], [bx, by]) => sqrt((ax - bx) ** 2 + (ay - by) ** 2);

/** Group cells, the most certain first, to lattices. @param config LatticeConfig, as JSON. */
export function findLattices(found, config) {
  const cells = distinct(found, config);
  const steps = stepsBetween(cells, config);
  const seen = new Set();
  const lattices = [];
  cells.forEach((_, start) => {
    if (seen.has(start)) return;
    let places = placesFrom(start, steps, seen);
    const between = gaps(cells, places, config);
    if (between.length) {
      for (const index of between) seen.add(index);
      places = seen.has(start) ? new Map() : placesFrom(start, steps, seen);
    }
    for (const index of places.keys()) seen.add(index);
    const lattice = latticeOf(cells, places, config);
    if (lattice) lattices.push(lattice);
  });
  return lattices;
}

/** The area of the outline of a lattice. */
export function area({ corners }) {
  const outline = [
    ...corners[0], ...corners.slice(1).map((row) => row.at(-1)),
    ...corners.at(-1).slice(0, -1).reverse(), ...corners.slice(1, -1).map(([first]) => first).reverse(),
  ];
  const doubled = sum(outline.map(([x, y], i) => {
    const [nextX, nextY] = outline[(i + 1) % outline.length];
    return x * nextY - y * nextX;
  }));
  return abs(doubled) / 2;
}

/** How much of a picture a lattice explains: the area of cells that are there, less the others'. */
export const score = (lattice) => area(lattice) * (2 * mean(lattice.objectness.flat()) - 1);

/** A lattice as it is seen after a quarter turn of the picture, anticlockwise. */
export function turned({ corners, objectness }) {
  const turn = (rows) => rows[0].map((_, i) => rows.map((row) => row.at(-1 - i)));
  return { corners: turn(corners), objectness: turn(objectness) };
}

/** Keep of cells with nearly the same middle the most certain one. */
function distinct(found, config) {
  const kept = [];
  for (const { objectness, corners } of found) {
    const middle = [0, 1].map((axis) => mean(corners.map((corner) => corner[axis])));
    const [a, b, c, d] = corners.map((corner, i) => distance(corner, corners[(i + 3) % 4]));
    const near = config.min_distance * min(a + c, b + d) / 2;
    if (kept.every((one) => distance(middle, one.middle) >= near)) kept.push({ objectness, corners, middle });
  }
  return kept;
}

/** For each cell [index, rows down, columns to the right] of those with which it shares two corners. */
function stepsBetween(cells, { max_gap: maxGap }) {
  const steps = cells.map(() => []);
  const sides = cells.map(({ corners: [a, b, c, d] }) => // twice as long
    [[0, 1].map((k) => b[k] - a[k] + c[k] - d[k]), [0, 1].map((k) => d[k] - a[k] + c[k] - b[k])]);
  const connect = (ends, starts, down, right) => {
    const gap = (i, j) => sum(ends.map((end, k) => distance(cells[i].corners[end], cells[j].corners[starts[k]])));
    const before = nearest(cells, (j, i) => gap(i, j));
    nearest(cells, gap).forEach((j, i) => {
      const isNear = ends.every((end, k) => {
        const [x, y] = [0, 1].map((axis) => cells[i].corners[end][axis] - cells[j].corners[starts[k]][axis]);
        return [...sides[i], ...sides[j]].every(([u, v]) => abs(x * u + y * v) < maxGap / 2 * (u * u + v * v));
      });
      if (before[j] !== i || i === j || !isNear) return;
      steps[i].push([j, down, right]);
      steps[j].push([i, -down, -right]);
    });
  };
  connect([1, 2], [0, 3], 0, 1);
  connect([3, 2], [0, 1], 1, 0);
  return steps;
}

/** For each cell the one with the least gap. */
function nearest(cells, gap) {
  return cells.map((_, i) => {
    const gaps = cells.map((_, j) => gap(i, j));
    return gaps.indexOf(min(...gaps));
  });
}

/** A map of all cells but those already `seen` that are connected with one to [row, column], relative to it. */
function placesFrom(start, steps, seen) {
  const places = new Map([[start, [0, 0]]]);
  for (const [index, [row, column]] of places) { // which grows
    for (const [other, down, right] of steps[index]) {
      if (!places.has(other) && !seen.has(other)) places.set(other, [row + down, column + right]);
    }
  }
  return places;
}

/** The cells of inner rows and columns that are gaps between two tables. */
function gaps(cells, places, { min_inner_objectness: [inner, beside], short_line: [count, share] }) {
  const least = inner * median([...places.keys()].map((index) => cells[index].objectness));
  return [0, 1].flatMap((axis) => {
    const lines = new Map();
    for (const [index, place] of places) lines.set(place[axis], [...(lines.get(place[axis]) ?? []), index]);
    const sorted = [...lines.keys()].sort((a, b) => a - b).map((line) => lines.get(line));
    const means = sorted.map((line) => mean(line.map((index) => cells[index].objectness)));
    const isGap = ({ length }, i) => i > 0 && i < sorted.length - 1
      && means[i] < (length < count ? share : 1) * max(least, beside * min(means[i - 1], means[i + 1]));
    return sorted.filter(isGap);
  }).flat(2);
}

/** Average the corners that cells share; null if there are too few cells. */
function latticeOf(cells, places, config) {
  if (places.size < config.min_cells) return null;
  const bounds = [0, 1].map((axis) => {
    const all = [...places.values()].map((place) => place[axis]);
    return [min(...all), max(...all)];
  });
  const [rows, columns] = bounds.map(([first, last]) => last - first + 1);
  const table = (h, w, make) => Array.from({ length: h }, () => Array.from({ length: w }, make));
  const objectness = table(rows, columns, () => 0);
  const sums = table(rows + 1, columns + 1, () => [0, 0, 0]); // of x, of y, of weights
  for (const [index, place] of places) {
    const [row, column] = place.map((at, axis) => at - bounds[axis][0]);
    const { objectness: weight, corners } = cells[index];
    objectness[row][column] = max(objectness[row][column], weight);
    corners.forEach(([x, y], i) => {
      const sum = sums[row + (i >> 1)][column + Number(i === 1 || i === 2)];
      [x * weight, y * weight, weight].forEach((value, k) => (sum[k] += value));
    });
  }
  const [top, bottom, left, right] = supported(objectness, config);
  const inside = objectness.slice(top, bottom).map((row) => row.slice(left, right));
  const cellsInside = inside.flat();
  if (cellsInside.length < config.min_cells || mean(cellsInside) < config.min_mean_objectness) return null;
  const corners = completed(sums.slice(top, bottom + 1).map((row) =>
    row.slice(left, right + 1).map(([x, y, weight]) => (weight > 0 ? [x / weight, y / weight] : null))));
  return corners && { corners, objectness: inside };
}

/** Top, bottom, left and right of a lattice without outer rows and columns that are hardly there. */
function supported(objectness, { min_objectness: [lowest, ofMedian], short_line: [count, share] }) {
  const least = max(lowest, ofMedian * median(objectness.flat().filter((p) => p > 0)));
  const bounds = [0, objectness.length, 0, objectness[0].length];
  while (bounds[0] < bounds[1] && bounds[2] < bounds[3]) {
    const [top, bottom, left, right] = bounds;
    const across = (row) => mean(objectness[row].slice(left, right));
    const down = (column) => mean(objectness.slice(top, bottom).map((row) => row[column]));
    const [alongRow, alongColumn] = [right - left, bottom - top].map((n) => least * (n < count ? share : 1));
    const support = [
      across(top) / alongRow, across(bottom - 1) / alongRow, down(left) / alongColumn, down(right - 1) / alongColumn,
    ];
    const worst = support.indexOf(min(...support));
    if (support[worst] >= 1) break;
    bounds[worst] += worst % 2 ? -1 : 1;
  }
  return bounds;
}

/** Fill in crossings that no cell gave, each from the parallelograms that it is a corner of; null if some stay. */
function completed(corners) {
  if (corners.every((row) => row.every(Boolean))) return corners;
  let changed = false;
  const next = corners.map((row, y) => row.map((corner, x) => {
    if (corner) return corner;
    const estimates = [[-1, -1], [-1, 1], [1, -1], [1, 1]].flatMap(([dy, dx]) => {
      const [beside, above, across] = [row[x + dx], corners[y + dy]?.[x], corners[y + dy]?.[x + dx]];
      return beside && above && across ? [[0, 1].map((axis) => beside[axis] + above[axis] - across[axis])] : [];
    });
    if (!estimates.length) return null;
    changed = true;
    return [0, 1].map((axis) => mean(estimates.map((estimate) => estimate[axis])));
  }));
  return changed ? completed(next) : null;
}
