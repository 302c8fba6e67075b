// Grouping of detections into numbers: what stands side by side belongs together.

import { isMark } from "./detection.js";
import { mean, median } from "./numbers.js";

const { abs, max, min } = Math;

/** Group detections into numbers, in reading order; each is a list from left to right. */
export function groupNumbers(detections, config) {
  const groups = [];
  for (const one of [...detections].sort((a, b) => a.box[0] - b.box[0])) {
    const height = isMark(one) ? 0 : one.box[3]; // a mark's says nothing
    let [best, least] = [null, Infinity];
    for (const group of groups) {
      const cost = gap(one.box, height, group, config);
      if (cost < least) [best, least] = [group, cost];
    }
    if (!best) groups.push((best = { members: [], heights: [], digitY: 0, tallest: 0, median: 0 }));
    append(best, one, height);
  }
  const numbers = groups.filter(({ heights }) => heights.length).map(({ members }) => members);
  return inReadingOrder(numbers, config.min_line_overlap);
}

function append(group, one, height) {
  group.members.push(one);
  if (height || !group.heights.length) [, group.digitY] = one.box;
  if (!height) return;
  group.heights.push(height);
  group.tallest = max(group.tallest, height);
  group.median = median(group.heights);
}

/** The gap between a number and what may follow it; infinite where it may not. */
function gap([x, y, width], height, group, config) {
  const [lastX, , lastWidth] = group.members.at(-1).box;
  const tall = max(group.tallest, height);
  const between = x - lastX - width / 2 - lastWidth / 2;
  const rise = abs(y - group.digitY);
  const maxRise = height && group.median ? config.max_rise : config.max_mark_rise;
  if (!(tall > 0 && between <= config.max_gap * tall && rise <= maxRise * tall)) return Infinity;
  if (height && group.median) {
    const ratio = group.median / height;
    if (max(ratio, 1 / ratio) > config.max_height_ratio) return Infinity;
  }
  return max(between, 0) + rise;
}

/** Lines from the top, each from the left. */
function inReadingOrder(numbers, share) {
  const placed = numbers.map((members) => ({
    members,
    top: min(...members.map(({ box }) => box[1] - box[3] / 2)),
    bottom: max(...members.map(({ box }) => box[1] + box[3] / 2)),
  }));
  const lines = [];
  for (const one of placed.sort((a, b) => a.top + a.bottom - b.top - b.bottom)) {
    const last = lines.at(-1);
    if (last && standsIn(last, one, share)) last.push(one);
    else lines.push([one]);
  }
  const left = ({ members }) => members[0].box[0];
  return lines.flatMap((line) => line.sort((a, b) => left(a) - left(b)).map(({ members }) => members));
}

function standsIn(line, one, share) {
  const [top, bottom] = ["top", "bottom"].map((edge) => mean(line.map((other) => other[edge])));
  const overlap = min(bottom, one.bottom) - max(top, one.top);
  return overlap > share * min(bottom - top, one.bottom - one.top);
}
