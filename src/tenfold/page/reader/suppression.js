// Non-maximum suppression: of detections of one object, the most certain one stays.

const { abs, max, min } = Math;

/** The detections that stay: of one object that of the highest rank, but no part of a surer whole. */
export function suppress(detections, config) {
  const kept = [];
  let left = [...detections].sort((a, b) => b.rank - a.rank);
  while (left.length) {
    const [best, ...others] = left;
    const isPart = others.some(({ box, objectness }) =>
      box[3] > best.box[3] && objectness >= best.objectness && partAndWhole(best.box, box, config));
    if (!isPart) kept.push(best);
    left = isPart ? others : others.filter(({ box }) => !same(best.box, box, config));
  }
  return kept;
}

/** Whether two boxes are of one object. */
export function same(a, b, config) {
  const distance = [0, 1].map((axis) => abs(a[axis] - b[axis]));
  const common = shared(a, b);
  const overlap = common > config.max_overlap * (a[2] * a[3] + b[2] * b[3] - common);
  const [x, y] = config.min_distance;
  const least = max(x * min(a[2], b[2]), config.min_distance_of_height * min(a[3], b[3]));
  const near = distance[0] < least && distance[1] < y * max(a[3], b[3]);
  return overlap || near || partAndWhole(a, b, config);
}

/** Whether one box lies inside another one and is much lower. */
function partAndWhole(a, b, config) {
  const inside = shared(a, b) > config.max_inside * min(a[2] * a[3], b[2] * b[3]);
  return inside && min(a[3], b[3]) < config.part_height * max(a[3], b[3]);
}

/** The area that two boxes share. */
function shared(a, b) {
  const [width, height] = [0, 1].map((axis) => {
    const side = (a[axis + 2] + b[axis + 2]) / 2 - abs(a[axis] - b[axis]);
    return max(min(side, a[axis + 2], b[axis + 2]), 0);
  });
  return width * height;
}
