// The cells of a picture, straightened and shown in the cells of a table.

import { clamp, median } from "./reader/numbers.js";
import { cellSizes } from "./reader/straighten.js";

const ROW_PX = 34; // in CSS pixels: of a row of the median height
const [MIN_HEIGHT_PX, MAX_HEIGHT_PX] = [22, 80];
const [MIN_WIDTH_PX, MAX_WIDTH_PX] = [38, 160];
const MAX_CANVAS_PIXELS = 16e6;

/** In what size cells are shown: {widths, heights} of columns and rows, in proportion to the picture's.
 *
 * @param corners rows of positions [x, y], where rules cross.
 */
export function shownSizes(corners) {
  const { widths, heights } = cellSizes(corners);
  const scale = ROW_PX / Math.max(median(heights), 1);
  return {
    widths: widths.map((width) => clamp(width * scale, MIN_WIDTH_PX, MAX_WIDTH_PX)),
    heights: heights.map((height) => clamp(height * scale, MIN_HEIGHT_PX, MAX_HEIGHT_PX)),
  };
}

/** Draw each cell into its place on a canvas.
 *
 * @param cells [{corners, box}, ...]: four positions in the source, clockwise from top left, and
 *   left, top, width and height on the canvas, in CSS pixels.
 * @param source a canvas. @param size {width, height} of the canvas in CSS pixels.
 */
export function drawCells(canvas, cells, source, { width, height }) {
  const scale = Math.min(devicePixelRatio, Math.sqrt(MAX_CANVAS_PIXELS / (width * height)));
  [canvas.width, canvas.height] = [width * scale, height * scale];
  const context = canvas.getContext("2d");
  for (const { corners, box: [left, top, w, h] } of cells) {
    const [a, b, c, d] = corners;
    // The parallelogram that is nearest to the four corners: its sides, and its middle.
    const across = [0, 1].map((axis) => (b[axis] - a[axis] + c[axis] - d[axis]) / 2);
    const down = [0, 1].map((axis) => (d[axis] - a[axis] + c[axis] - b[axis]) / 2);
    const centre = [0, 1].map((axis) => (a[axis] + b[axis] + c[axis] + d[axis]) / 4);
    const toUnitSquare = new DOMMatrix([...across, ...down, ...centre]).inverse();
    if (!toUnitSquare.is2D) continue; // it has no area
    context.save();
    context.scale(scale, scale);
    context.beginPath();
    context.rect(left, top, w, h);
    context.clip();
    context.setTransform(context.getTransform().translate(left + w / 2, top + h / 2).scale(w, h).multiply(toUnitSquare));
    const extremes = [0, 1].map((axis) => corners.map((corner) => corner[axis]));
    const [x0, y0] = extremes.map((values) => Math.max(Math.floor(Math.min(...values)), 0));
    const [x1, y1] = extremes.map((values, axis) =>
      Math.min(Math.ceil(Math.max(...values)), axis ? source.height : source.width));
    if (x1 > x0 && y1 > y0) context.drawImage(source, x0, y0, x1 - x0, y1 - y0, x0, y0, x1 - x0, y1 - y0);
    context.restore();
  }
}
