// The one digit of a picture, without what else lies in it.

import { connectedComponents, STROKE_BODY_LEVEL, withSoftEdge } from "./components.js";
import { above, kept, maskOf, plane } from "./image.js";

const { max } = Math;

// `xOfY` is x as a share of y.
export const CONFIG = {
  weightAtEdge: 0.25, // of a component's area, when the main one is chosen
  minAreaOfMain: 0.04,
  maxDistanceOfMainSide: 0.5,
};

/** Keep what belongs to the one digit of a picture: no specks, no shadows along an edge. */
export function isolateDigit(foreground) {
  const { w, h } = foreground;
  const { labels, components } = connectedComponents(above(foreground, STROKE_BODY_LEVEL));
  if (components.length === 1) return plane(w, h);
  const area = new Float64Array(components.length);
  labels.forEach((label, i) => (area[label] += foreground.data[i]));
  const atEdge = components.map((one) => {
    const [left, top, right, bottom] = one?.box ?? [];
    return left === 0 || top === 0 || right === w || bottom === h;
  });
  const weight = (i) => (atEdge[i] ? CONFIG.weightAtEdge * area[i] : area[i]);
  let main = 1;
  for (let i = 2; i < components.length; i++) if (weight(i) > weight(main)) main = i;
  const { box } = components[main];
  const reach = CONFIG.maxDistanceOfMainSide * max(box[2] - box[0], box[3] - box[1]);
  const chosen = components.map((one, i) => {
    if (i === 0 || i === main) return i === main;
    const distances = [0, 1].map((side) =>
      max(one.box[side] - box[side + 2], box[side] - one.box[side + 2]));
    const near = area[i] >= CONFIG.minAreaOfMain * area[main] && max(...distances) <= reach;
    return near && (atEdge[main] || !atEdge[i]);
  });
  const own = withSoftEdge(maskOf(foreground, (_, i) => chosen[labels[i]]));
  return kept(foreground, (i) => own.data[i]);
}
