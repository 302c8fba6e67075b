// Grids, such as Sudokus, and tables: the digit or the number in each of their cells.

import { boxInPicture } from "./components.js";
import { isMark, withMargin } from "./detection.js";
import { cropped } from "./image.js";
import { area, findLattices, score, turned } from "./lattice.js";
import { anyNumber, calibrated, classified, numbersOf, oneDigit, toGrey } from "./number-reader.js";
import { mean, median, rint, sum } from "./numbers.js";
import { shrunk } from "./resize.js";
import { boxInOriginal, cellOf, straighten } from "./straighten.js";
import { suppress } from "./suppression.js";

const { fround, max, min } = Math;

const evidence = ({ numbers }) => sum(numbers.map(({ probability }) => probability));

/** Read a grid with one digit a cell, or a table with one number a cell, row by row; see `read` in reader.js. */
export async function readGrid(picture, options, networks, model) {
  const { layout } = options;
  const grey = toGrey(picture);
  const config = model.grids;
  let lattice = await findLattice(grey, options, networks, config);
  let best = await readCells(grey, lattice, layout, networks, model);
  // Of digits: a number's probability takes for granted that there is one.
  const digits = best.numbers.flatMap((number) => number.digits);
  if (evidence({ numbers: digits }) >= config.min_certainty * max(digits.length, 1)) return best;
  for (let quarters = 1; quarters < 4; quarters++) { // the picture may lie on its side
    lattice = turned(lattice);
    const page = await readCells(grey, lattice, layout, networks, model);
    if (evidence(page) > evidence(best)) best = page;
  }
  return best;
}

/** Find the largest and clearest grid or table in a plane of bytes, of so many rows and columns if they are given. */
async function findLattice(grey, { rows, columns }, { detectCells }, config) {
  const longer = max(grey.w, grey.h);
  const { margin_px: margin, steps_per_px: steps } = config;
  const lattices = [];
  for (const side of new Set(config.sides_px.map((px) => min(px, longer)).sort((a, b) => b - a))) {
    const [w, h] = [grey.w, grey.h].map((length) => max(1, rint(length * (side / longer))));
    const small = w === grey.w && h === grey.h ? grey : shrunk(grey, w, h);
    const cells = await detectCells(withMargin(small, margin), config.min_objectness);
    const factors = [grey.w / w, grey.h / h];
    for (const { corners, objectness } of findLattices(cells, config.lattice)) {
      const inPicture = (corner) => corner.map((at, axis) => fround((rint((at - margin + 0.5) * steps) / steps) * factors[axis] - 0.5));
      const lattice = { objectness, corners: corners.map((row) => row.map(inPicture)) };
      if (area(lattice) >= objectness.flat().length * config.min_cell_px ** 2) lattices.push(lattice);
    }
  }
  if (!lattices.length) throw new Error("no grid or table in this picture; photograph all of it, from above");
  const ranked = lattices.sort((a, b) => score(b) - score(a));
  const sizeOf = ({ objectness }) => [objectness.length, objectness[0].length];
  const fits = (lattice) => [rows, columns].every((wanted, axis) => !wanted || wanted === sizeOf(lattice)[axis]);
  const found = ranked.find(fits) ?? (rows && columns && joined(ranked, [rows, columns]));
  if (found) return found;
  throw new Error(`found ${sizeOf(ranked[0]).join(" x ")} cells, not ${rows ?? "any"} x ${columns ?? "any"}`);
}

/** The most certain part of this size of the first lattice that has only more rows, or only more columns. */
function joined(lattices, [rows, columns]) {
  for (const { corners, objectness } of lattices) {
    const [down, across] = [objectness.length - rows, objectness[0].length - columns];
    if (min(down, across) !== 0) continue;
    const parts = Array.from({ length: down + across + 1 }, (_, at) => {
      const [top, left] = down ? [at, 0] : [0, at];
      const cut = (table, more) => table.slice(top, top + rows + more).map((row) => row.slice(left, left + columns + more));
      return { corners: cut(corners, 1), objectness: cut(objectness, 0) };
    });
    const certainty = ({ objectness: inside }) => sum(inside.flat());
    return parts.reduce((best, one) => (certainty(one) > certainty(best) ? one : best));
  }
  return null;
}

/** Read the cells of a lattice. */
async function readCells(grey, lattice, layout, networks, { reader, grids }) {
  const straight = straighten(grey, lattice, grids.cell_height_px);
  const [rows, columns] = [straight.rows.length - 1, straight.columns.length - 1];
  const isGrid = layout === "grid";
  const least = reader.pyramid.min_objectness;
  const seen = await networks.detect(straight.grey, isGrid ? grids.min_digit_objectness : least);
  const visible = onThisSide(seen, straight.grey, reader, grids);
  let placed = inCells(visible, straight, grids, isGrid ? -Infinity : grids.max_gap)
    .map((one) => ({ ...one, key: one.row * columns + one.column }));
  if (isGrid) {
    const probable = withPresence(placed, grids).filter(({ objectness }) => objectness >= least);
    placed = withoutNotes(probable, straight, reader, grids);
  }
  const found = await classified(placed, straight.grey, networks, reader);
  const cells = new Map();
  for (const one of found) cells.set(one.key, [...(cells.get(one.key) ?? []), one]);
  const inOrder = [...cells].sort(([a], [b]) => a - b).map(([, inCell]) => inCell.sort((a, b) => a.box[0] - b.box[0]));
  const inColumns = inOrder.map(([{ column }]) => column);
  const read = await numbersOf(inOrder, straight.grey, networks, reader, isGrid ? oneDigit : anyNumber, inColumns);
  const numbers = read.flatMap((number, i) => {
    if (!number) return [];
    const mapped = (one) => ({ ...one, box: boxInOriginal(straight, one.box) });
    const [{ row, column }] = inOrder[i];
    return [{ ...mapped(number), digits: number.digits.map(mapped), row, column }];
  });
  return { rows, columns, corners: lattice.corners, numbers };
}

/** The detections that are dark enough: not those of the other side of thin paper. */
function onThisSide(found, grey, reader, grids) {
  const contrasts = found.map(({ box }) => {
    const [left, top, right, bottom] = boxInPicture(box, grey);
    const levels = [...cropped(grey, top, left, bottom, right).data];
    const middle = mean(levels);
    return Math.sqrt(mean(levels.map((level) => (level - middle) ** 2)));
  });
  const probable = contrasts.filter((_, i) => found[i].objectness >= reader.min_digit_probability);
  const least = probable.length && grids.min_contrast * median(probable);
  return found.filter((_, i) => contrasts[i] >= least);
}

/** The detections with row and column; on a rule, the column of the nearest other one. */
function inCells(found, straight, { max_over_rule: over }, maxGap) {
  const all = found.map((one) => {
    const [x, y, w] = one.box;
    const [row, column] = cellOf(straight, one.box);
    const [first, last] = [-1, 1].map((side) => cellOf(straight, [x + side * w * (0.5 - over), y])[1]);
    return { ...one, row, column, first, last, left: x - w / 2, right: x + w / 2 };
  });
  return all.map((one) => {
    const nearest = (gapTo, column) => min(...all.filter((other) =>
      other.first === other.last && other.row === one.row && other.column === column).map(gapTo));
    const [before, after] = [nearest(({ right }) => one.left - right, one.first), nearest(({ left }) => left - one.right, one.last)];
    const near = one.first < one.last && min(before, after) < maxGap * one.box[3];
    return near ? { ...one, column: before < after ? one.first : one.last } : one;
  });
}

/** The digits; the first of each cell is as probable as a digit in a cell is. */
function withPresence(found, { presence }) {
  const cells = new Set();
  return found.filter((one) => !isMark(one)).map((one) => {
    const objectness = cells.has(one.key) ? one.objectness : calibrated(one.objectness, presence);
    cells.add(one.key);
    return { ...one, objectness };
  });
}

/** The detections but small ones that share a cell with another: notes. */
function withoutNotes(found, { rows }, reader, grids) {
  const counts = new Map();
  const ranked = found.map((one) => ({ ...one, rank: one.objectness }));
  for (const { key } of suppress(ranked, reader.suppression)) counts.set(key, (counts.get(key) ?? 0) + 1);
  return found.filter(({ box, key, row }) => box[3] >= grids.note_height * (rows[row + 1] - rows[row]) || !(counts.get(key) > 1));
}
