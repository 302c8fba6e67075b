// From the foreground of a picture with several digits to one box a digit, in reading order.

import { connectedComponents, STROKE_BODY_LEVEL, withSoftEdge } from "./components.js";
import { above, cropped, maskOf, plane } from "./image.js";
import { checkArea, checkCount, CONFIG as LIMITS, cropCounter } from "./limits.js";
import { foregroundBox, strokeWidth } from "./normalization.js";
import { median, rint } from "./numbers.js";

const { abs, floor, fround, max, min, trunc } = Math;

// `xOfY` is x as a share of y. The line's height is the typical height of its components. A low
// component may be a part of a digit: the bar of a 5, a broken stroke.
export const CONFIG = {
  minSidePx: 4,
  minSideOfPicture: 0.015,
  minSideOfTypicalHeight: 0.15,
  minHeightOfLineHeight: 0.28, // lower ones are specks, dots and dashes
  maxPartHeightOfLineHeight: 0.6,
  maxPartDistanceOfLineHeight: 0.2, // to the right of its digit
  maxPartRiseOfLineHeight: 0.25, // above its line
  minPartOverlapOfWidth: 0.5,
  minLineHeightOfTypicalHeight: 0.4,
  neighboursOfLine: 3, // that decide whether a component belongs to the line
  minStrokeOfEdgeComponent: 0.5, // thinner at an edge is the rest of a line
  frameBorderOfSide: 0.2, // holds most of a frame's pixels
  minContentHeightOfFrame: 0.25,
  maxSingleWidthOfHeight: 0.85,
  maxDigitWidthOfHeight: 1.8,
  digitsPerWidthOfHeight: 1.6,
  maxTouchingDigits: 8,
  minDigitWidthPx: 4,
  splitReachOfDigitWidth: 0.35,
  splitCostOfStrokePx: 0.3,
};

const width = ({ box }) => box[2] - box[0];
const height = ({ box }) => box[3] - box[1];

/** Divide the foreground into digits, line by line, left to right.
 *
 * Returns for each region its candidate splits, each a list of {box, foreground}.
 */
export function segmentDigits(foreground) {
  const { components, labels } = findComponents(foreground);
  if (!components.length) return [];
  const typical = typicalHeight(components);
  const count = cropCounter();
  return groupIntoLines(components).flatMap((line) => {
    const lineHeight = typicalHeight(line);
    const alone = line.length === 1 && lineHeight < CONFIG.maxPartHeightOfLineHeight * typical;
    if (alone || lineHeight < CONFIG.minLineHeightOfTypicalHeight * typical) return []; // a printed line
    const splits = (component) => split(...crop(component, foreground, labels), lineHeight);
    const least = CONFIG.minHeightOfLineHeight * lineHeight;
    const waiting = mergeStacked(line, lineHeight).filter((one) => height(one) >= least);
    const regions = [];
    while (waiting.length) {
      const component = waiting.shift();
      if (waiting.length && mayBeOne(component, waiting[0], lineHeight)) {
        const other = waiting.shift();
        const apart = [...splits(component)[0], ...splits(other)[0]];
        regions.push([splits(join(component, other))[0], apart]);
      } else {
        regions.push(splits(component));
      }
      count(regions.at(-1).flat().map((digit) => digit.foreground));
    }
    return regions;
  });
}

/** Whether a component and its right neighbour may be a digit and a part of it. */
function mayBeOne(a, b, lineHeight) {
  const low = min(height(a), height(b)) < CONFIG.maxPartHeightOfLineHeight * lineHeight;
  const near = b.box[0] - a.box[2] < CONFIG.maxPartDistanceOfLineHeight * lineHeight;
  return low && near && b.box[2] - a.box[0] < CONFIG.maxDigitWidthOfHeight * lineHeight;
}

/** The foreground of a component with its soft edge, and the box of both. */
function crop(component, foreground, labels) {
  const [left, top] = [max(component.box[0] - 1, 0), max(component.box[1] - 1, 0)];
  const [right, bottom] = [min(component.box[2] + 1, foreground.w), min(component.box[3] + 1, foreground.h)];
  const window = (p) => cropped(p, top, left, bottom, right);
  const label = window(plane(foreground.w, foreground.h, labels)).data;
  const content = window(foreground);
  const own = new Set(component.labels);
  const body = maskOf(content, (_, i) => own.has(label[i]));
  const around = withSoftEdge(body).data;
  content.data.forEach((_, i) => {
    if (!body.data[i] && (label[i] || !around[i])) content.data[i] = 0;
  });
  const [t, l, b, r] = foregroundBox(content);
  return [cropped(content, t, l, b, r), [left + l, top + t, left + r, top + b]];
}

/** Split a component into as many digits as it may hold, from the fewest to the most. */
function split(content, [left, top, , bottom], lineHeight) {
  const ratio = content.w / max(content.h, lineHeight);
  const byWidth = max(2, rint(CONFIG.digitsPerWidthOfHeight * ratio));
  const possible = min(byWidth, CONFIG.maxTouchingDigits, floor(content.w / CONFIG.minDigitWidthPx));
  const most = ratio >= CONFIG.maxSingleWidthOfHeight ? max(1, possible) : 1;
  const fewest = min(most, max(1, trunc(ratio / CONFIG.maxDigitWidthOfHeight)));
  return Array.from({ length: most - fewest + 1 }, (_, i) =>
    splitColumns(content, fewest + i).map(([start, end]) => ({
      box: [left + start, top, left + end, bottom],
      foreground: cropped(content, 0, start, content.h, end),
    })));
}

/** The connected components without specks and frames, and the map of their labels. */
function findComponents(foreground) {
  const mask = above(foreground, STROKE_BODY_LEVEL);
  const { labels, components } = connectedComponents(mask);
  const least = max(CONFIG.minSidePx, CONFIG.minSideOfPicture * max(foreground.w, foreground.h));
  const large = [];
  components.forEach((one, label) => {
    if (one && max(width(one), height(one)) >= least) large.push({ ...one, labels: [label] });
  });
  checkCount(large.length, LIMITS.maxComponents, "marks");
  checkArea(large.reduce((sum, one) => sum + width(one) * height(one), 0));
  const found = large.filter((one) => !isFrame(one, large, labels, foreground.w));
  if (!found.length) return { components: found, labels };
  const minSide = CONFIG.minSideOfTypicalHeight * typicalHeight(found);
  const minWidth = CONFIG.minStrokeOfEdgeComponent * strokeWidth(mask);
  const whole = found.filter((one) => {
    const side = max(height(one), width(one));
    const [left, top, right, bottom] = one.box;
    const atEdge = left === 0 || top === 0 || right === foreground.w || bottom === foreground.h;
    return side >= minSide && !(atEdge && one.area < minWidth * side);
  });
  return { components: whole, labels };
}

/** Whether a component is a form's box or a table's edge: others lie inside it. */
function isFrame(component, components, labels, w) {
  const [left, top, right, bottom] = component.box;
  const holds = ({ box }) => left < box[0] && top < box[1] && box[2] < right && box[3] < bottom;
  const least = CONFIG.minContentHeightOfFrame * height(component);
  if (!components.some((p) => holds(p) && height(p) >= least)) return false;
  const x = trunc(CONFIG.frameBorderOfSide * width(component));
  const y = trunc(CONFIG.frameBorderOfSide * height(component));
  let inner = 0;
  for (let row = top + y; row < bottom - y; row++) {
    for (let at = left + x; at < right - x; at++) inner += labels[row * w + at] === component.labels[0];
  }
  return inner < component.area / 2;
}

/** The median height, weighted by area: dots and noise are many, but small. */
function typicalHeight(components) {
  const order = [...components].sort((a, b) => height(a) - height(b));
  const total = order.reduce((sum, component) => sum + component.area, 0);
  let sum = 0;
  return height(order.find((component) => (sum += component.area) >= total / 2));
}

/** Group components into lines, top to bottom, each left to right. */
function groupIntoLines(components) {
  const typical = typicalHeight(components);
  const low = (component) => height(component) < CONFIG.maxPartHeightOfLineHeight * typical;
  const fromLeft = (a, b) => a.box[0] - b.box[0];
  const lines = [];
  for (const component of [...components].sort((a, b) => low(a) - low(b) || fromLeft(a, b))) {
    const middle = (component.box[1] + component.box[3]) / 2;
    const reach = low(component) ? CONFIG.maxPartRiseOfLineHeight * typical : 0;
    const away = (other) => abs(other.box[0] - component.box[0]);
    const own = lines.find((line) => {
      const near = [...line].sort((a, b) => away(a) - away(b)).slice(0, CONFIG.neighboursOfLine);
      const [top, bottom] = [1, 3].map((side) => median(near.map((p) => p.box[side])));
      return top - reach <= middle && middle <= bottom;
    });
    if (own) own.push(component);
    else lines.push([component]);
    checkCount(lines.length, LIMITS.maxLines, "lines");
  }
  const top = (line) => median(line.map((component) => component.box[1]));
  return lines.sort((a, b) => top(a) - top(b)).map((line) => line.sort(fromLeft));
}

/** Join components that stand above each other: the bar of a 5, broken strokes. */
function mergeStacked(line, lineHeight) {
  const merged = [];
  for (const component of line) {
    const last = merged.at(-1);
    // Two whole digits stay apart.
    const part = (a, b) => min(height(a), height(b)) < CONFIG.maxPartHeightOfLineHeight * lineHeight;
    const overlap = (a, b) => min(a.box[2], b.box[2]) - max(a.box[0], b.box[0]);
    const least = (a, b) => CONFIG.minPartOverlapOfWidth * min(width(a), width(b));
    if (last && part(last, component) && overlap(last, component) > least(last, component)) {
      merged[merged.length - 1] = join(last, component);
    } else {
      merged.push(component);
    }
  }
  return merged;
}

function join(a, b) {
  return {
    box: a.box.map((edge, side) => (side < 2 ? min : max)(edge, b.box[side])),
    labels: [...a.labels, ...b.labels],
    area: a.area + b.area,
  };
}

/** Split into `count` ranges of columns [start, end), nearly equal, where it is thinnest. */
function splitColumns({ w, h, data }, count) {
  const bodyLevel = fround(STROKE_BODY_LEVEL);
  const cost = Array.from({ length: w }, (_, x) => {
    let [sum, crossings] = [0, 0];
    for (let at = x; at < w * h; at += w) {
      sum = fround(sum + data[at]);
      if (at >= w && data[at] > bodyLevel !== data[at - w] > bodyLevel) crossings++;
    }
    return sum + CONFIG.splitCostOfStrokePx * crossings;
  });
  const places = [0];
  for (let number = 1; number < count; number++) {
    const [expected, reach] = [(number * w) / count, (CONFIG.splitReachOfDigitWidth * w) / count];
    const low = max(places.at(-1) + 1, trunc(expected - reach));
    const high = max(low + 1, min(w - 1, trunc(expected + reach) + 1));
    let [best, least] = [low, Infinity];
    for (let x = low; x < high; x++) {
      const distance = abs(x - expected) / (reach + 1);
      const total = cost[x] * (1 + distance ** 2) + distance;
      if (total < least) [best, least] = [x, total];
    }
    places.push(best);
  }
  return places.map((from, i) => [from, places[i + 1] ?? w]);
}
