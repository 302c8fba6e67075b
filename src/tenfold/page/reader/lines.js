// Printed lines: straight, thin, from one edge of a picture to the other.

import { strokeWidth } from "./form.js";
import { SMALLEST } from "./ink.js";
import {
  above, any, closed, connected, dilated, emptyMask, maskOf, opened, plane, transposed, withEdge,
} from "./image.js";
import { slopes } from "./hough.js";
import { quantile, rint } from "./numbers.js";

const { abs, ceil, floor, fround, max, min } = Math;

const LINE = fround(0.15); // of the ink's darkness: printed lines may be faint
export const BODY = fround(0.25); // ink that is more than a soft edge: it connects what belongs together
const CLINGING = 0.8; // of a piece beside lines: it is their soft edge
const DARKER = 0.25; // than a line: a stroke on top of it
const BARE = 0.2; // of a line: so much at least is crossed by no stroke
const PLAIN = 0.35; // of its pixels: as many are fainter, at its soft edge
const FEW = 3; // lines: with more of them, it is ruled paper
const AS_DARK = 0.7; // of the ink's darkness
const AS_THICK = 0.6; // of the strokes' width
const SOFT = 0.2; // of a row inked: beyond a line's soft edge
const THIN = 0.2; // of a line's pixels: there no stroke crosses it
const EDGE = 0.4; // of the pixels in a line's fullest row: with fewer a row is beyond its edge
const PARTS = 12; // of the width, looked at apart
const CORNER_PARTS = 3; // of a line that leaves through a corner, at least

/** A mask of printed lines. The strokes of a digit that fills its picture are none. */
export function lines(ink) {
  if (min(ink.w, ink.h) < SMALLEST) return emptyMask(ink.w, ink.h);
  const turned = transposed(ink);
  const [bands, level] = levelLines(ink);
  const [columns, upright] = levelLines(turned);
  if (!any(bands) && !any(columns)) return bands;
  if (mayBeStrokes(ink, bands, transposed(columns))) return emptyMask(ink.w, ink.h);
  const across = transposed(upright).data;
  const rows = thinned(ink, level).data;
  const down = transposed(thinned(turned, upright)).data;
  return maskOf(level, (lined, i) => rows[i] || down[i] || (lined && across[i]));
}

/** Leave out of a band of level lines what is higher than a line: there a stroke crosses it. */
function thinned(ink, band) {
  if (!any(band)) return band;
  const high = opened(above(ink, LINE), 1, (thickest(ink) + 1) | 1);
  return maskOf(band, (lined, i) => lined && !high.data[i]);
}

/** How many pixels a line may be thick. */
const thickest = ({ w, h }) => max(2, rint(0.05 * min(w, h))) + 2;

/** Take lines out of ink, but not the strokes that cross them. */
export function without(ink, mask) {
  if (!any(mask)) return ink;
  const lineWidth = across(mask);
  const reach = lineWidth + 2;
  const body = maskOf(ink, (value, i) => !mask.data[i] && value > BODY);
  const strokes = strokesOf(body, mask, 2 * reach);
  const rest = plane(ink.w, ink.h, ink.data.map((v, i) => (mask.data[i] || !strokes.data[i] ? 0 : v)));
  const wide = 2 * reach + 1;
  const near = dilated(above(rest, BODY), wide, wide);
  const level = fround(darkness(ink, mask, lineWidth) + DARKER);
  const kept = plane(ink.w, ink.h, rest.data.map((value, i) =>
    mask.data[i] && near.data[i] && ink.data[i] > level ? ink.data[i] : value));
  const mended = plane(ink.w, ink.h, kept.data.slice());
  for (const [kx, ky] of [[reach, 1], [1, reach]]) {
    const joined = closed(kept, kx, ky);
    mask.data.forEach((lined, i) => {
      if (lined) mended.data[i] = max(mended.data[i], min(joined.data[i], ink.data[i]));
    });
  }
  return mended;
}

/** How many pixels lines are wide, crossings left out; an odd number. */
function across({ w, h, data }) {
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
  const thick = min(quantile(inner.filter((value) => value > 0), 0.9), 0.05 * min(w, h));
  return 2 * ceil(thick) + 1;
}

/** How dark lines are: across all of their width, where no stroke crosses them. */
function darkness(ink, mask, lineWidth) {
  const lined = plane(ink.w, ink.h, ink.data.map((value, i) => (mask.data[i] ? value : 0)));
  const down = dilated(lined, 1, lineWidth).data;
  const along = dilated(lined, lineWidth, 1).data;
  const darkest = down.map((value, i) => (mask.data[i] ? min(value, along[i]) : 0));
  const printed = darkest.filter((value) => value > LINE);
  return printed.length ? quantile(printed, PLAIN) : 1;
}

/** Whether lines are so few, so dark and so thick, or the ink so close to all edges, as strokes. */
function mayBeStrokes(ink, level, upright) {
  const { w, h } = ink;
  const counts = [level, upright].map((found) => connected(found).pieces.length - 1);
  if (counts[0] + counts[1] > FEW) return false;
  const mask = maskOf(level, (lined, i) => lined || upright.data[i]);
  if (darkness(ink, mask, across(mask)) < AS_DARK) return false;
  const [y, x] = [max(2, floor(h / 32)), max(2, floor(w / 32))]; // the outermost may be a soft edge
  const edges = [[0, 0, y, w], [h - y, 0, h, w], [0, 0, h, x], [0, w - x, h, w]];
  if (edges.every((edge) => reaches(ink, ...edge))) return true;
  const widths = [level, upright].map((found, axis) => {
    const sums = new Float32Array(axis ? h : w);
    found.data.forEach((lined, i) => {
      if (lined && ink.data[i] > 0.5) sums[axis ? floor(i / w) : i % w]++;
    });
    return counts[axis] ? quantile(sums, BARE) / counts[axis] : Infinity;
  });
  const rest = maskOf(ink, (value, i) => value > 0.5 && !mask.data[i]);
  return any(rest) && min(...widths) >= AS_THICK * strokeWidth(rest);
}

/** Whether there is ink in a window [top, bottom) x [left, right). */
function reaches({ w, data }, top, left, bottom, right) {
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) if (data[y * w + x] > LINE) return true;
  }
  return false;
}

/** The pieces of a body that are no specks and no soft edges of lines, dilated. */
function strokesOf(body, mask, least) {
  const { labels, pieces } = connected(body);
  const k = max(3, floor(least / 6) | 1);
  const beside = dilated(mask, k, k);
  const clinging = new Uint32Array(pieces.length);
  labels.forEach((label, i) => (clinging[label] += beside.data[i]));
  const chosen = pieces.map((piece, i) => i && piece.area >= least && clinging[i] < CLINGING * piece.area);
  return withEdge(maskOf(body, (_, i) => chosen[labels[i]]));
}

/** Find lines that are nearly level: rows, full of ink, of a picture that is sheared level.
 *
 * Returns bands of such rows, and of these what is close around the lines.
 */
function levelLines(ink) {
  const { w, h } = ink;
  const [found, close] = [emptyMask(w, h), emptyMask(w, h)];
  const part = partsOf(w);
  const k = max(1, floor(w / 32));
  if (!reaches(ink, 0, 0, h, k) || !reaches(ink, 0, w - k, h, w)) return [found, close];
  const inked = above(ink, LINE);
  const most = thickest(ink);
  const thicker = dilated(inked, 1, 3);
  const bars = opened(inked, 1, (most + 1) | 1);
  const thin = maskOf(inked, (value, i) => value && !bars.data[i]);
  let least = PARTS;
  for (const slope of slopes(inked)) {
    const drop = Int32Array.from({ length: w }, (_, x) => rint((x - w / 2) * slope));
    const margin = drop.reduce((most, d) => max(most, abs(d)), 0);
    const [full, inside] = levelledRows(maskOf(thicker, (v, i) => v && !found.data[i]), drop, margin);
    let bands = lineRows(full, inside, least, most);
    if (bands.length && least === PARTS) {
      least = CORNER_PARTS;
      bands = lineRows(full, inside, least, most);
    }
    for (const [first, end] of bands) {
      const band = bareRows(thin, part, drop, margin, first, end);
      if (!band.some(({ bare, there }) => bare / max(there, 1) >= THIN)) continue; // a thick bar's
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

/** The part of each of w columns. */
function partsOf(w) {
  const starts = Array.from({ length: PARTS }, (_, i) => floor((i * w) / PARTS));
  return Uint8Array.from({ length: w }, (_, x) => starts.findLastIndex((start) => start <= x));
}

/** Of each row of a band the number of pixels that are thin, in each part and in all, and inside. */
function bareRows({ w, h, data }, part, drop, margin, first, end) {
  return Array.from({ length: end - first }, (_, i) => {
    const row = { parts: new Uint32Array(PARTS), bare: 0, there: 0 };
    for (let x = 0; x < w; x++) {
      const y = first + i - margin + drop[x];
      if (y < 0 || y >= h) continue;
      row.there++;
      if (data[y * w + x]) {
        row.bare++;
        row.parts[part[x]]++;
      }
    }
    return row;
  });
}

/** Narrow a band of rows, part by part, to where its line is: no line is quite straight.
 *
 * Where strokes hide all of the line, the band stays as it is.
 */
function aroundLine(band) {
  const limits = Array.from({ length: PARTS }, (_, part) => {
    const counts = band.map((row) => row.parts[part]);
    const peak = counts.indexOf(max(...counts));
    if (!counts[peak]) return [0, band.length];
    const weak = (i) => counts[i] < EDGE * counts[peak];
    let [low, high] = [peak, peak];
    while (low >= 0 && !weak(low)) low--;
    while (high < band.length && !weak(high)) high++;
    return [low, high];
  });
  return (row, part) => row >= limits[part][0] && row <= limits[part][1];
}

/** Shear a mask level: for each row the share inked of each of its parts, and whether it is inside. */
function levelledRows({ w, h, data }, drop, margin) {
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
  const full = [];
  const inside = [];
  for (let row = 0; row < height; row++) {
    const at = row * PARTS;
    for (let i = at; i < at + PARTS; i++) if (row) pixels[i] += pixels[i - PARTS];
    const parts = Array.from(pixels.subarray(at, at + PARTS));
    inside.push(parts.map((count) => 2 * count >= w / PARTS));
    full.push(parts.map((count, i) => (2 * count >= w / PARTS ? shares[at + i] / max(count, 1) : 0)));
  }
  return [full, inside];
}

/** From which row to which, the end exclusive, lines of `least` parts and more lie. */
function lineRows(full, inside, least, thickest) {
  const count = (flags) => flags.reduce((sum, flag) => sum + flag, 0);
  const line = full.map((row, y) => {
    const parts = count(inside[y]);
    const [left, right] = [max(inside[y].indexOf(true), 0), inside[y].lastIndexOf(true)];
    const ends = min(row[left], row[right < 0 ? PARTS - 1 : right]);
    // In most parts of the width there is a line, and in those at both edges.
    return parts >= least && ends > 0.5 && 2 * count(row.map((share) => share > 0.75)) > parts;
  });
  const soft = full.map((row, y) => 2 * count(row.map((share) => share > SOFT)) > count(inside[y]));
  const found = [];
  for (let start = 0; start < line.length; start++) {
    if (!line[start]) continue;
    let end = start;
    while (line[end]) end++;
    const reach = end - start + 1; // digits on a line are no soft edge of it
    if (reach <= thickest + 1) {
      let [above, below] = [0, 0];
      while (above < reach && soft[start - 1 - above]) above++;
      while (below < reach && soft[end + below]) below++;
      found.push([start - 1 - above, end + 1 + below]);
    }
    start = end;
  }
  return found;
}
