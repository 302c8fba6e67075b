// Non-maximum suppression: of detections of one object, the most certain one stays.

import { argmax } from "./numbers.js";

const { abs, max, min } = Math;

/** The detections that stay: of one object that of the highest rank, but no part of a surer whole. */
export function suppress(detections, config) {
  const kept = [];
  let left = [...detections].sort((a, b) => b.rank - a.rank);
  while (left.length) {
    const [best, ...others] = left;
    const isPart = others.some((other) => area(other.box) > area(best.box)
      && other.objectness >= best.objectness && partAndWhole(best, other, config));
    if (!isPart) kept.push(best);
    left = isPart ? others : others.filter((other) => !same(best, other, config));
  }
  return kept;
}

/** Whether two detections are of one object. */
export function same(one, other, config) {
  const [a, b] = [one.box, other.box];
  const distance = [0, 1].map((axis) => abs(a[axis] - b[axis]));
  const common = shared(a, b);
  const overlap = common > config.max_overlap * (area(a) + area(b) - common);
  const [x, y] = config.min_distance;
  const least = max(x * min(a[2], b[2]), config.min_distance_of_height * min(a[3], b[3]));
  const near = distance[0] < least && distance[1] < y * max(a[3], b[3]);
  return overlap || near || partAndWhole(one, other, config);
}

/** Whether one lies inside the other, and is much lower or has its class. */
function partAndWhole({ box: a, classes: p }, { box: b, classes: q }, config) {
  if (shared(a, b) <= config.max_inside * min(area(a), area(b))) return false;
  return argmax(p) === argmax(q) || min(a[3], b[3]) < config.part_height * max(a[3], b[3]);
}

const area = ([, , width, height]) => width * height;

/** The area that two boxes share. */
function shared(a, b) {
  const [width, height] = [0, 1].map((axis) => {
    const side = (a[axis + 2] + b[axis + 2]) / 2 - abs(a[axis] - b[axis]);
    return max(min(side, a[axis + 2], b[axis + 2]), 0);
  });
  return width * height;
}
