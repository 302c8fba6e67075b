// From the cells that were found one by one to the rows and columns of grids and tables.
//
// A cell is {objectness, corners}: four positions [x, y], clockwise from top left. A lattice is
// {corners, objectness}: rows of positions, one more each way than there are cells, and rows of
// numbers, 0 where no cell was found but must be.

import { median } from "./numbers.js";

const { abs, max, min, sqrt } = Math;

export const distance = ([ax, ay], [bx, by]) => sqrt((ax - bx) ** 2 + (ay - by) ** 2);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

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
  const doubled = outline.reduce((sum, [x, y], i) => {
    const [nextX, nextY] = outline[(i + 1) % outline.length];
    return sum + x * nextY - y * nextX;
  }, 0);
  return abs(doubled) / 2;
}

/** How much of a picture a lattice explains: the area of cells that are there, less the others'. */
export function score(lattice) {
  return area(lattice) * (2 * mean(lattice.objectness.flat()) - 1);
}

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
    const sides = corners.map((corner, i) => distance(corner, corners[(i + 3) % 4]));
    const side = min(sides[0] + sides[2], sides[1] + sides[3]) / 2; // of the shorter pair
    const near = config.min_distance * side;
    if (kept.every((one) => distance(middle, one.middle) >= near)) kept.push({ objectness, corners, middle });
  }
  return kept;
}

/** For each cell the neighbours [index, rows down, columns to the right]: they share two corners. */
function stepsBetween(cells, { max_gap: maxGap }) {
  const steps = cells.map(() => []);
  const sides = cells.map(({ corners: [topLeft, topRight, bottomRight, bottomLeft] }) => [
    [0, 1].map((k) => (topRight[k] - topLeft[k] + bottomRight[k] - bottomLeft[k]) / 2),
    [0, 1].map((k) => (bottomLeft[k] - topLeft[k] + bottomRight[k] - topRight[k]) / 2),
  ]);
  const connect = (ends, starts, down, right) => {
    const pairs = [0, 1].map((k) => [ends[k], starts[k]]);
    const gap = (i, j) =>
      distance(cells[i].corners[ends[0]], cells[j].corners[starts[0]])
        + distance(cells[i].corners[ends[1]], cells[j].corners[starts[1]]);
    const isNear = (i, j) => pairs.every(([end, start]) => {
      const [dx, dy] = [0, 1].map((k) => cells[i].corners[end][k] - cells[j].corners[start][k]);
      return [...sides[i], ...sides[j]].every(([x, y]) => abs(dx * x + dy * y) < maxGap * (x * x + y * y));
    });
    const after = nearest(cells.length, gap);
    const before = nearest(cells.length, (j, i) => gap(i, j));
    after.forEach((j, i) => {
      if (before[j] !== i || i === j || !isNear(i, j)) return;
      steps[i].push([j, down, right]);
      steps[j].push([i, -down, -right]);
    });
  };
  connect([1, 2], [0, 3], 0, 1);
  connect([3, 2], [0, 1], 1, 0);
  return steps;
}

/** For each of n the one with the least gap. */
function nearest(n, gap) {
  return Array.from({ length: n }, (_, i) => {
    let [best, least] = [0, Infinity];
    for (let j = 0; j < n; j++) {
      const found = gap(i, j);
      if (found < least) [best, least] = [j, found];
    }
    return best;
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
function gaps(cells, places, { min_inner_objectness: share }) {
  const least = share * median([...places.keys()].map((index) => cells[index].objectness));
  return [0, 1].flatMap((axis) => {
    const lines = new Map();
    for (const [index, place] of places) lines.set(place[axis], [...(lines.get(place[axis]) ?? []), index]);
    const inner = [...lines.keys()].sort((a, b) => a - b).slice(1, -1);
    return inner.map((line) => lines.get(line)).filter((line) => mean(line.map((index) => cells[index].objectness)) < least);
  }).flat();
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
  const [top, left, bottom, right] = supported(objectness, config);
  const inside = objectness.slice(top, bottom).map((row) => row.slice(left, right));
  if (inside.flat().length < config.min_cells) return null;
  const corners = completed(sums.slice(top, bottom + 1).map((row) =>
    row.slice(left, right + 1).map(([x, y, weight]) => (weight > 0 ? [x / weight, y / weight] : null))));
  return corners && { corners, objectness: inside };
}

/** Top, left, bottom and right of a lattice without outer rows and columns that are hardly there. */
function supported(objectness, config) {
  const [count, share] = config.short_line;
  const [lowest, ofMedian] = config.min_objectness;
  const least = max(lowest, ofMedian * median(objectness.flat().filter((p) => p > 0)));
  let [top, left, bottom, right] = [0, 0, objectness.length, objectness[0].length];
  while (top < bottom && left < right) {
    const across = (row) => mean(objectness[row].slice(left, right));
    const down = (column) => mean(objectness.slice(top, bottom).map((row) => row[column]));
    const [alongRow, alongColumn] = [right - left, bottom - top].map((n) => least * (n < count ? share : 1));
    const support = [
      across(top) / alongRow, across(bottom - 1) / alongRow, down(left) / alongColumn, down(right - 1) / alongColumn,
    ];
    const worst = support.indexOf(min(...support));
    if (support[worst] >= 1) break;
    if (worst === 0) top++;
    else if (worst === 1) bottom--;
    else if (worst === 2) left++;
    else right--;
  }
  return [top, left, bottom, right];
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
