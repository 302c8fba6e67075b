// Printed lines: straight, thin, from one edge of a picture to the other.

import { connectedComponents, STROKE_BODY_LEVEL, withSoftEdge } from "./components.js";
import { slopes } from "./hough.js";
import {
  above, any, closed, dilated, emptyMask, kept, maskOf, opened, plane, transposed,
} from "./image.js";
import { strokeWidth } from "./normalization.js";
import { quantile, rint } from "./numbers.js";

const { abs, ceil, floor, fround, max, min } = Math;

// A level is a share of the darkest foreground. `xOfY` is x as a share of y. A line is searched in a
// picture that is sheared until the line is level, and in `partCount` parts of the width.
export const CONFIG = {
  minPictureSidePx: 36, // in smaller pictures a stroke is as long and thin as a line
  lineLevel: 0.15, // printed lines may be faint
  maxAngleRad: 0.26, // 15 degrees
  angleStepRad: 0.01,
  maxSlopes: 12,
  minVotesOfWidth: 0.6,
  partCount: 12,
  minPartsAtCorner: 3, // of a line that leaves the picture through a corner
  minForegroundOfEndPart: 0.5,
  minForegroundOfLinePart: 0.75,
  minForegroundOfSoftEdgePart: 0.2,
  maxThicknessOfSide: 0.05,
  minUncrossedOfRow: 0.2,
  minRowOfFullestRow: 0.4,
  maxCountAsStrokes: 3, // more lines are ruled paper
  minStrokeLevel: 0.7,
  minStrokeThicknessOfStrokeWidth: 0.6,
  strokeCoreLevel: 0.5,
  uncrossedQuantile: 0.2, // strokes cross the rest of a line
  darknessQuantile: 0.35, // paler pixels of a line are its soft edge
  minCrossingLevelAboveLine: 0.25,
  maxBesideLineOfComponent: 0.8, // above, a component is a line's soft edge
};
const LINE_LEVEL = fround(CONFIG.lineLevel);
const PARTS = CONFIG.partCount;

/** A mask of printed lines. The strokes of a digit that fills its picture are not lines. */
export function findLines(foreground) {
  const none = emptyMask(foreground.w, foreground.h);
  if (min(foreground.w, foreground.h) < CONFIG.minPictureSidePx) return none;
  const turned = transposed(foreground);
  const [rows, horizontal] = findLevelLines(foreground);
  const [columns, vertical] = findLevelLines(turned);
  if (!any(rows) && !any(columns)) return none;
  if (mayBeStrokes(foreground, rows, transposed(columns))) return none;
  const down = transposed(vertical).data;
  const uncrossedRows = withoutCrossings(foreground, horizontal).data;
  const uncrossedColumns = transposed(withoutCrossings(turned, vertical)).data;
  return maskOf(horizontal, (lined, i) =>
    uncrossedRows[i] || uncrossedColumns[i] || (lined && down[i]));
}

/** Leave out of level lines where the foreground is higher than a line: a stroke crosses. */
function withoutCrossings(foreground, lines) {
  if (!any(lines)) return lines;
  const high = bars(above(foreground, CONFIG.lineLevel));
  return maskOf(lines, (lined, i) => lined && !high.data[i]);
}

/** What is higher than a line may be. */
const bars = (mask) => opened(mask, 1, (maxThickness(mask) + 1) | 1);

/** How many pixels thick a line may be. */
const maxThickness = ({ w, h }) => max(2, rint(CONFIG.maxThicknessOfSide * min(w, h))) + 2;

/** Remove lines, but not the strokes that cross them. */
export function removeLines(foreground, mask) {
  if (!any(mask)) return foreground;
  const thickness = lineThickness(mask);
  const reach = thickness + 2;
  const body = maskOf(foreground, (value, i) => !mask.data[i] && value > STROKE_BODY_LEVEL);
  const strokes = strokesOf(body, mask, 2 * reach);
  const rest = kept(foreground, (i) => !mask.data[i] && strokes.data[i]);
  const wide = 2 * reach + 1;
  const near = dilated(above(rest, STROKE_BODY_LEVEL), wide, wide);
  const level = fround(darkness(foreground, mask, thickness) + CONFIG.minCrossingLevelAboveLine);
  const whole = plane(foreground.w, foreground.h, rest.data.map((value, i) =>
    mask.data[i] && near.data[i] && foreground.data[i] > level ? foreground.data[i] : value));
  const mended = plane(foreground.w, foreground.h, whole.data.slice());
  for (const [kx, ky] of [[reach, 1], [1, reach]]) {
    const joined = closed(whole, kx, ky);
    mask.data.forEach((lined, i) => {
      if (lined) mended.data[i] = max(mended.data[i], min(joined.data[i], foreground.data[i]));
    });
  }
  return mended;
}

/** How many pixels thick lines are where they do not cross; an odd number. */
function lineThickness({ w, h, data }) {
  const inner = Float32Array.from(data, (value) => (value ? w + h : 0));
  const nearer = (at, other) => (inner[at] = min(inner[at], inner[other] + 1));
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      if (x) nearer(y * w + x, y * w + x - 1);
      if (y) nearer(y * w + x, (y - 1) * w + x);
    }
  }
  for (let y = h - 1; y >= 0; y--) {
    for (let x = w - 1; x >= 0; x--) {
      if (x < w - 1) nearer(y * w + x, y * w + x + 1);
      if (y < h - 1) nearer(y * w + x, (y + 1) * w + x);
    }
  }
  const most = CONFIG.maxThicknessOfSide * min(w, h);
  return 2 * ceil(min(quantile(inner.filter((value) => value > 0), 0.9), most)) + 1;
}

/** The level of lines where no stroke crosses them. */
function darkness(foreground, mask, thickness) {
  const lined = kept(foreground, (i) => mask.data[i]);
  const down = dilated(lined, 1, thickness).data;
  const along = dilated(lined, thickness, 1).data;
  const darkest = down.map((value, i) => (mask.data[i] ? min(value, along[i]) : 0));
  const printed = darkest.filter((value) => value > LINE_LEVEL);
  return printed.length ? quantile(printed, CONFIG.darknessQuantile) : 1;
}

/** Whether lines are few, and as dark and thick as strokes. */
function mayBeStrokes(foreground, horizontal, vertical) {
  const { w, h } = foreground;
  const counts = [horizontal, vertical].map((lines) => connectedComponents(lines).components.length - 1);
  if (counts[0] + counts[1] > CONFIG.maxCountAsStrokes) return false;
  const mask = maskOf(horizontal, (lined, i) => lined || vertical.data[i]);
  if (darkness(foreground, mask, lineThickness(mask)) < CONFIG.minStrokeLevel) return false;
  const [y, x] = [max(2, floor(h / 32)), max(2, floor(w / 32))]; // the outermost may be faint
  const edges = [[0, 0, y, w], [h - y, 0, h, w], [0, 0, h, x], [0, w - x, h, w]];
  if (edges.every((edge) => reaches(foreground, ...edge))) return true;
  const thicknesses = [horizontal, vertical].map((lines, axis) => {
    const sums = new Float32Array(axis ? h : w);
    lines.data.forEach((lined, i) => {
      if (lined && foreground.data[i] > CONFIG.strokeCoreLevel) sums[axis ? floor(i / w) : i % w]++;
    });
    return counts[axis] ? quantile(sums, CONFIG.uncrossedQuantile) / counts[axis] : Infinity;
  });
  const rest = maskOf(foreground, (value, i) => value > CONFIG.strokeCoreLevel && !mask.data[i]);
  const least = CONFIG.minStrokeThicknessOfStrokeWidth;
  return any(rest) && min(...thicknesses) >= least * strokeWidth(rest);
}

/** Whether there is foreground in a window [top, bottom) x [left, right). */
function reaches({ w, data }, top, left, bottom, right) {
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) if (data[y * w + x] > LINE_LEVEL) return true;
  }
  return false;
}

/** The components of a body that are no specks and no soft edges of lines, dilated. */
function strokesOf(body, mask, minArea) {
  const { labels, components } = connectedComponents(body);
  const k = max(3, floor(minArea / 6) | 1);
  const beside = dilated(mask, k, k);
  const areaBeside = new Uint32Array(components.length);
  labels.forEach((label, i) => (areaBeside[label] += beside.data[i]));
  const chosen = components.map((one, i) =>
    i && one.area >= minArea && areaBeside[i] < CONFIG.maxBesideLineOfComponent * one.area);
  return withSoftEdge(maskOf(body, (_, i) => chosen[labels[i]]));
}

/** Find lines that are nearly level: rows, full of foreground, of a picture that is sheared.
 *
 * Returns bands of such rows, and of these the pixels close to the lines.
 */
function findLevelLines(foreground) {
  const { w, h } = foreground;
  const [found, close] = [emptyMask(w, h), emptyMask(w, h)];
  const starts = Array.from({ length: PARTS }, (_, i) => floor((i * w) / PARTS));
  const part = Uint8Array.from({ length: w }, (_, x) => starts.findLastIndex((start) => start <= x));
  const k = max(1, floor(w / 32));
  if (!reaches(foreground, 0, 0, h, k) || !reaches(foreground, 0, w - k, h, w)) return [found, close];
  const covered = above(foreground, CONFIG.lineLevel);
  const thicker = dilated(covered, 1, 3);
  const high = bars(covered);
  const thin = maskOf(covered, (value, i) => value && !high.data[i]);
  let minParts = PARTS;
  for (const slope of slopes(covered, CONFIG)) {
    const drop = Int32Array.from({ length: w }, (_, x) => rint((x - w / 2) * slope));
    const margin = drop.reduce((most, d) => max(most, abs(d)), 0);
    const [shares, inside] = shear(maskOf(thicker, (v, i) => v && !found.data[i]), drop, margin);
    let bands = lineBands(shares, inside, minParts, maxThickness(foreground));
    if (bands.length && minParts === PARTS) {
      minParts = CONFIG.minPartsAtCorner;
      bands = lineBands(shares, inside, minParts, maxThickness(foreground));
    }
    for (const [first, end] of bands) {
      const band = uncrossedRows(thin, part, drop, margin, first, end);
      const isLine = ({ uncrossed, all }) => uncrossed / max(all, 1) >= CONFIG.minUncrossedOfRow;
      if (!band.some(isLine)) continue; // a slice of a thick bar
      const near = aroundLine(band);
      for (let row = first; row < end; row++) {
        for (let x = 0; x < w; x++) {
          const y = row - margin + drop[x];
          if (y < 0 || y >= h) continue;
          found.data[y * w + x] = 1;
          if (near(row - first, part[x])) close.data[y * w + x] = 1;
        }
      }
    }
  }
  return [found, close];
}

/** Of each row of a band the number of uncrossed pixels, in each part and in all, and of pixels. */
function uncrossedRows({ w, h, data }, part, drop, margin, first, end) {
  return Array.from({ length: end - first }, (_, i) => {
    const row = { parts: new Uint32Array(PARTS), uncrossed: 0, all: 0 };
    for (let x = 0; x < w; x++) {
      const y = first + i - margin + drop[x];
      if (y < 0 || y >= h) continue;
      row.all++;
      if (data[y * w + x]) {
        row.uncrossed++;
        row.parts[part[x]]++;
      }
    }
    return row;
  });
}

/** Narrow a band of rows to its line in each part of the width: no line is quite straight.
 *
 * Where strokes hide all of the line, the band stays as it is.
 */
function aroundLine(band) {
  const limits = Array.from({ length: PARTS }, (_, part) => {
    const counts = band.map((row) => row.parts[part]);
    const peak = counts.indexOf(max(...counts));
    if (!counts[peak]) return [0, band.length];
    const weak = (i) => counts[i] < CONFIG.minRowOfFullestRow * counts[peak];
    let [low, high] = [peak, peak];
    while (low >= 0 && !weak(low)) low--;
    while (high < band.length && !weak(high)) high++;
    return [low, high];
  });
  return (row, part) => row >= limits[part][0] && row <= limits[part][1];
}

/** Shear a mask level: for each row the share covered of each part, and whether it is inside. */
function shear({ w, h, data }, drop, margin) {
  const height = h + 2 * margin;
  const part = Int32Array.from({ length: w }, (_, x) => floor((x * PARTS) / w));
  const shares = new Float64Array((height + 1) * PARTS);
  const pixels = new Int32Array((height + 1) * PARTS);
  for (let x = 0; x < w; x++) {
    const top = margin - drop[x];
    pixels[top * PARTS + part[x]]++;
    pixels[(top + h) * PARTS + part[x]]--;
  }
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      if (data[y * w + x]) shares[(y + margin - drop[x]) * PARTS + part[x]]++;
    }
  }
  const covered = [];
  const inside = [];
  for (let row = 0; row < height; row++) {
    const at = row * PARTS;
    for (let i = at; i < at + PARTS; i++) if (row) pixels[i] += pixels[i - PARTS];
    const parts = Array.from(pixels.subarray(at, at + PARTS));
    inside.push(parts.map((count) => 2 * count >= w / PARTS));
    covered.push(parts.map((count, i) => (2 * count >= w / PARTS ? shares[at + i] / max(count, 1) : 0)));
  }
  return [covered, inside];
}

/** The first row and the end (exclusive) of lines at least `minParts` parts long. */
function lineBands(shares, inside, minParts, maxThickness) {
  const count = (flags) => flags.reduce((sum, flag) => sum + flag, 0);
  const line = shares.map((row, y) => {
    const parts = count(inside[y]);
    const [left, right] = [max(inside[y].indexOf(true), 0), inside[y].lastIndexOf(true)];
    const ends = min(row[left], row[right < 0 ? PARTS - 1 : right]);
    // A line covers most parts of the width, and those at both edges.
    const full = count(row.map((share) => share > CONFIG.minForegroundOfLinePart));
    return parts >= minParts && ends > CONFIG.minForegroundOfEndPart && 2 * full > parts;
  });
  const soft = shares.map((row, y) =>
    2 * count(row.map((share) => share > CONFIG.minForegroundOfSoftEdgePart)) > count(inside[y]));
  const found = [];
  for (let start = 0; start < line.length; start++) {
    if (!line[start]) continue;
    let end = start;
    while (line[end]) end++;
    const reach = end - start + 1; // digits on a line are no soft edge of it
    if (reach <= maxThickness + 1) {
      let [above, below] = [0, 0];
      while (above < reach && soft[start - 1 - above]) above++;
      while (below < reach && soft[end + below]) below++;
      found.push([start - 1 - above, end + 1 + below]);
    }
    start = end;
  }
  return found;
}
