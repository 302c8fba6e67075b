// From ink to digits: what belongs to the one digit of a picture, or each of several, in order.

import { inkBox, strokeWidth } from "./form.js";
import { above, connected, cropped, maskOf, plane, withEdge } from "./image.js";
import { BODY } from "./lines.js";
import { median, rint } from "./numbers.js";

const { abs, floor, fround, max, min, trunc } = Math;

const SPECK = 0.04; // of the largest piece's area: smaller ones are dirt
const NEAR = 0.5; // of the main piece's size: farther away lies what is not of its digit

const SMALLEST = 0.28; // of the usual height: lower pieces are specks, dots and dashes
const NARROW = 0.85; // of the usual height: a piece that is no wider is one digit
const WIDEST = 1.8; // of the usual height: a piece that is wider is several
const BESIDE = 0.2; // of the usual height: farther away lies what is no part of a digit
const MOST = 8; // digits that touch
const HAIR = 0.5; // of the usual stroke's width: thinner at an edge is what is left of a line
const RIM = 0.2; // of a frame's sides: there lies most of its ink
const INSIDE = 0.25; // of a frame's height: what is smaller is dirt
const OVERLAP = 0.5; // of the narrower piece's width: above each other
const PART = 0.6; // of the usual height: lower pieces may be parts of a digit
const BAR = 0.25; // of the usual height: so far above its line a part may be
const NEIGHBOURS = 3; // by which a piece's line is known
const LOWEST_LINE = 0.4; // of the usual height of all lines

const width = ({ box }) => box[2] - box[0];
const height = ({ box }) => box[3] - box[1];

/** Keep what belongs to the one digit of a picture: no specks, no shadows along an edge. */
export function oneDigit(ink) {
  const { w, h } = ink;
  const { labels, pieces } = connected(above(ink, BODY));
  if (pieces.length === 1) return plane(w, h);
  const area = new Float64Array(pieces.length);
  labels.forEach((label, i) => (area[label] += ink.data[i]));
  const atEdge = pieces.map((p) => p && (p.box[0] === 0 || p.box[1] === 0 || p.box[2] === w || p.box[3] === h));
  let main = 1;
  const weight = (i) => (atEdge[i] ? area[i] / 4 : area[i]);
  for (let i = 2; i < pieces.length; i++) if (weight(i) > weight(main)) main = i;
  const whole = pieces[main];
  const reach = NEAR * max(width(whole), height(whole));
  const kept = pieces.map((piece, i) => {
    if (i === 0 || i === main) return i === main;
    const apart = [0, 1].map((axis) =>
      max(piece.box[axis] - whole.box[axis + 2], whole.box[axis] - piece.box[axis + 2]));
    const near = area[i] >= SPECK * area[main] && max(...apart) <= reach;
    return near && (atEdge[main] || !atEdge[i]);
  });
  const own = withEdge(maskOf(ink, (_, i) => kept[labels[i]]));
  return plane(w, h, ink.data.map((value, i) => (own.data[i] ? value : 0)));
}

/** Part ink into digits, line by line, left to right.
 *
 * Returns for each piece of ink the ways to cut it, each a list of {box, ink}.
 */
export function digitsOf(ink) {
  const { pieces, labels } = findPieces(ink);
  if (!pieces.length) return [];
  const tallest = usualHeight(pieces);
  return intoLines(pieces).flatMap((line) => {
    const usual = usualHeight(line);
    const alone = line.length === 1 && usual < PART * tallest;
    if (alone || usual < LOWEST_LINE * tallest) return []; // what is left of printed lines
    const ways = (piece) => waysToCut(...ownInk(piece, ink, labels), usual);
    const waiting = merged(line, usual).filter((piece) => height(piece) >= SMALLEST * usual);
    const found = [];
    while (waiting.length) {
      const piece = waiting.shift();
      if (waiting.length && mayBeOne(piece, waiting[0], usual)) {
        const other = waiting.shift();
        const apart = [...ways(piece)[0], ...ways(other)[0]];
        found.push([ways(joined(piece, other))[0], apart]);
      } else {
        found.push(ways(piece));
      }
    }
    return found;
  });
}

/** Whether a piece and its right neighbour, a low one, may be a digit and a part of it. */
function mayBeOne(a, b, usual) {
  const low = min(height(a), height(b)) < PART * usual;
  const near = b.box[0] - a.box[2] < BESIDE * usual;
  return low && near && b.box[2] - a.box[0] < WIDEST * usual;
}

/** A piece's ink, with the soft edge that lies around it, and the box of both. */
function ownInk(piece, ink, labels) {
  const [left, top] = [max(piece.box[0] - 1, 0), max(piece.box[1] - 1, 0)];
  const [right, bottom] = [min(piece.box[2] + 1, ink.w), min(piece.box[3] + 1, ink.h)];
  const window = (p) => cropped(p, top, left, bottom, right);
  const label = window(plane(ink.w, ink.h, labels)).data;
  const content = window(ink);
  const body = maskOf(content, (_, i) => piece.labels.includes(label[i]));
  const around = withEdge(body).data;
  content.data.forEach((_, i) => {
    if (!body.data[i] && (label[i] || !around[i])) content.data[i] = 0;
  });
  const [t, l, b, r] = inkBox(content);
  return [cropped(content, t, l, b, r), [left + l, top + t, left + r, top + b]];
}

/** Cut a piece into as many digits as it may hold, from the fewest to the most. */
function waysToCut(content, [left, top, , bottom], usual) {
  const ratio = content.w / max(content.h, usual);
  const possible = min(max(2, rint(1.6 * ratio)), MOST, floor(content.w / 4));
  const most = ratio >= NARROW ? max(1, possible) : 1;
  const fewest = min(most, max(1, trunc(ratio / WIDEST)));
  return Array.from({ length: most - fewest + 1 }, (_, i) =>
    parted(content, fewest + i).map(([a, b]) => ({
      box: [left + a, top, left + b, bottom],
      ink: cropped(content, 0, a, content.h, b),
    })));
}

/** Connect ink to pieces, without specks. */
function findPieces(ink) {
  const mask = above(ink, BODY);
  const { labels, pieces: all } = connected(mask);
  const least = max(4, 0.015 * max(ink.w, ink.h));
  const large = all
    .map((piece, label) => piece && { ...piece, labels: [label] })
    .filter((piece) => piece && max(width(piece), height(piece)) >= least);
  const pieces = large.filter((piece) => !frames(piece, large, labels, ink.w));
  if (!pieces.length) return { pieces, labels };
  // The height of what carries most ink: dots and noise are many, but light.
  const tallest = usualHeight(pieces);
  const thinnest = HAIR * strokeWidth(mask);
  const whole = pieces.filter((piece) => {
    const longest = max(height(piece), width(piece));
    const [left, top, right, bottom] = piece.box;
    const atEdge = left === 0 || top === 0 || right === ink.w || bottom === ink.h;
    return longest >= 0.15 * tallest && !(atEdge && piece.area < thinnest * longest);
  });
  return { pieces: whole, labels };
}

/** Whether a piece has others of some size inside its box: a form's box, a table's edge. */
function frames(piece, pieces, labels, w) {
  const [left, top, right, bottom] = piece.box;
  const holds = ({ box }) => left < box[0] && top < box[1] && box[2] < right && box[3] < bottom;
  if (!pieces.some((p) => holds(p) && height(p) >= INSIDE * height(piece))) return false;
  const [x, y] = [trunc(RIM * width(piece)), trunc(RIM * height(piece))];
  let inner = 0;
  for (let row = top + y; row < bottom - y; row++) {
    for (let at = left + x; at < right - x; at++) inner += labels[row * w + at] === piece.labels[0];
  }
  return inner < piece.area / 2;
}

/** The median height of pieces, each as often as it has ink. */
function usualHeight(pieces) {
  const order = [...pieces].sort((a, b) => height(a) - height(b));
  const total = order.reduce((sum, piece) => sum + piece.area, 0);
  let sum = 0;
  return height(order.find((piece) => (sum += piece.area) >= total / 2));
}

/** Group pieces whose vertical extents overlap with a line's; top to bottom, left to right. */
function intoLines(pieces) {
  const usual = usualHeight(pieces);
  const low = (piece) => height(piece) < PART * usual;
  const fromLeft = (a, b) => a.box[0] - b.box[0];
  const lines = [];
  for (const piece of [...pieces].sort((a, b) => low(a) - low(b) || fromLeft(a, b))) {
    const middle = (piece.box[1] + piece.box[3]) / 2;
    const reach = low(piece) ? BAR * usual : 0;
    const away = (other) => abs(other.box[0] - piece.box[0]);
    const own = lines.find((line) => {
      const near = [...line].sort((a, b) => away(a) - away(b)).slice(0, NEIGHBOURS);
      const [top, bottom] = [1, 3].map((side) => median(near.map((p) => p.box[side])));
      return top - reach <= middle && middle <= bottom;
    });
    if (own) own.push(piece);
    else lines.push([piece]);
  }
  const top = (line) => median(line.map((piece) => piece.box[1]));
  return lines.sort((a, b) => top(a) - top(b)).map((line) => line.sort(fromLeft));
}

/** Join pieces of a line that stand above each other: the bar of a 5, broken strokes. */
function merged(line, usual) {
  const whole = [];
  for (const piece of line) {
    const last = whole.at(-1);
    if (last) {
      const shared = min(last.box[2], piece.box[2]) - max(last.box[0], piece.box[0]);
      const part = min(height(last), height(piece)) < PART * usual; // two whole digits stay apart
      if (part && shared > OVERLAP * min(width(last), width(piece))) {
        whole[whole.length - 1] = joined(last, piece);
        continue;
      }
    }
    whole.push(piece);
  }
  return whole;
}

function joined(a, b) {
  return {
    box: [min(a.box[0], b.box[0]), min(a.box[1], b.box[1]), max(a.box[2], b.box[2]), max(a.box[3], b.box[3])],
    labels: [...a.labels, ...b.labels],
    area: a.area + b.area,
  };
}

/** Part one piece into `count` columns [from, to), near equal ones, where it is thinnest. */
function parted({ w, h, data }, count) {
  const column = Array.from({ length: w }, (_, x) => {
    let [sum, edges] = [0, 0];
    for (let at = x; at < w * h; at += w) {
      sum = fround(sum + data[at]);
      if (at >= w && data[at] > BODY !== data[at - w] > BODY) edges++;
    }
    return sum + 0.3 * edges;
  });
  const places = [0];
  for (let number = 1; number < count; number++) {
    const [expected, reach] = [(number * w) / count, (0.35 * w) / count];
    const low = max(places.at(-1) + 1, trunc(expected - reach));
    const high = max(low + 1, min(w - 1, trunc(expected + reach) + 1));
    let [best, least] = [low, Infinity];
    for (let x = low; x < high; x++) {
      const away = abs(x - expected) / (reach + 1);
      const cost = column[x] * (1 + away ** 2) + away;
      if (cost < least) [best, least] = [x, cost];
    }
    places.push(best);
  }
  return places.map((from, i) => [from, places[i + 1] ?? w]);
}
