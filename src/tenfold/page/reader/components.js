// Connected components of the foreground, and boxes.

import { dilated } from "./image.js";

const { ceil, max, min, trunc } = Math;

export const STROKE_BODY_LEVEL = 0.25; // fainter pixels are soft edges: they connect nothing

/** Add the neighbouring pixels of a stroke's body: its soft edge, below the body's level. */
export const withSoftEdge = (body) => dilated(body, 3, 3);

/** Label a mask's connected pixels, diagonal neighbours included.
 *
 * Returns the map of labels, 0 outside the mask, and of each label from 1 on the box
 * [left, top, right, bottom] and the number of pixels; `components[0]` is undefined.
 */
export function connectedComponents(mask) {
  const { w, h, data } = mask;
  const labels = new Int32Array(w * h);
  const components = [undefined];
  const waiting = new Int32Array(w * h);
  const visit = (start) => {
    const label = components.length;
    const component = { box: [w, h, 0, 0], area: 0 };
    components.push(component);
    let count = 0;
    waiting[count++] = start;
    labels[start] = label;
    while (count) {
      const at = waiting[--count];
      const x = at % w;
      const y = (at - x) / w;
      const { box } = component;
      component.area++;
      if (x < box[0]) box[0] = x;
      if (y < box[1]) box[1] = y;
      if (x >= box[2]) box[2] = x + 1;
      if (y >= box[3]) box[3] = y + 1;
      for (let ny = max(y - 1, 0); ny <= min(y + 1, h - 1); ny++) {
        for (let nx = max(x - 1, 0); nx <= min(x + 1, w - 1); nx++) {
          const next = ny * w + nx;
          if (data[next] && !labels[next]) {
            labels[next] = label;
            waiting[count++] = next;
          }
        }
      }
    }
  };
  for (let i = 0; i < h; i += 2) { // OpenCV numbers components by blocks of 2 x 2
    for (let j = 0; j < w; j += 2) {
      for (let y = i; y < min(i + 2, h); y++) {
        for (let x = j; x < min(j + 2, w); x++) {
          if (data[y * w + x] && !labels[y * w + x]) visit(y * w + x);
        }
      }
    }
  }
  return { labels, components };
}

/** Left, top, right, bottom, in a picture, of a box that is given by its centre. */
export function boxInPicture([x, y, width, height], { w, h }) {
  const [left, top] = [min(max(0, trunc(x - width / 2)), w - 1), min(max(0, trunc(y - height / 2)), h - 1)];
  const [right, bottom] = [ceil(x + width / 2), ceil(y + height / 2)];
  return [left, top, min(w, max(right, left + 1)), min(h, max(bottom, top + 1))];
}
