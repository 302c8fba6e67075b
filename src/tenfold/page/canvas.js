// The drawing canvas: strokes by pen, mouse, finger or keys, on a picture or on a blank canvas. What was
// read is outlined on it.

import { drawOutlines, outlineAt } from "./outlines.js";
import { clamp } from "./reader/numbers.js";

const WIDTH_UNITS = 1000; // points and pen widths are in units of 1/1000 of the canvas's width
// A drawing without a picture is read small: a browser takes 100 ms for some 20,000 pixels.
const TALLEST_STROKE_PX = 36; // about as high as a digit; the detector likes 28
const MAX_DRAWING_PX = 9_000; // and the margins
const MAX_SCALE = 0.48; // pixels of a unit
const MARGIN_PX = 8; // of paper; with less, an upright stroke is easily taken for a rule
const MAX_PICTURE_SIDE_PX = 4096; // larger pictures are scaled down before they are read
const KEY_STEP_UNITS = 20; // how far an arrow key moves the pen
const MAX_CLICK_UNITS = 8; // a pointer that moves farther on an outline draws
const ASPECTS = [0.7, 2]; // least and greatest of a picture's width by its height that the canvas takes
const NOTHING = { outlines: [], selected: null, width: 1, place: null };

export class DrawingCanvas {
  /** @param canvas the element. @param onChange called when there is something new to read.
   * @param onSelect called with the target of an outline that is clicked.
   */
  constructor(canvas, onChange, onSelect) {
    this.canvas = canvas;
    this.onChange = onChange;
    this.onSelect = onSelect;
    this.strokes = [];
    this.picture = null; // {bitmap, file}; of a document also `page` and `pages`, and at first no bitmap
    this.detailed = false; // whether what is drawn has parts: a grid
    this.shown = NOTHING;
    this.pressed = null; // {pointer, point} where an outline is
    this.penWidth = 30; // units
    this.cursor = null; // {x, y} of the pen that the arrow keys move
    this.activeStrokes = new Map(); // by pointer, or "keys"
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(canvas);
    this.addListeners();
  }

  get empty() {
    return !this.strokes.length && !this.picture;
  }

  get drawing() {
    return this.activeStrokes.size > 0;
  }

  undo() {
    this.activeStrokes.clear();
    if (this.strokes.length) {
      this.strokes.pop();
      this.update();
    } else {
      this.setPicture(null);
    }
  }

  clear() {
    this.setPicture(null);
  }

  /** Show a picture, or none, in place of everything on the canvas. */
  setPicture(picture) {
    this.activeStrokes.clear();
    this.strokes = [];
    this.shown = NOTHING;
    this.picture = picture;
    this.fit();
    this.update();
  }

  /** Show the page of a document, once it was read. */
  showPage({ bitmap, pages }) {
    Object.assign(this.picture, { bitmap, pages });
    this.fit();
  }

  /** Give the canvas the shape of its picture, nearly. */
  fit() {
    const { bitmap } = this.picture ?? {};
    const [least, greatest] = ASPECTS;
    this.canvas.style.aspectRatio = bitmap ? clamp(bitmap.width / bitmap.height, least, greatest) : "";
  }

  /** Draw outlines of what was read. @param shown {outlines, selected, width, place}: see outlines.js; the
   * width of the picture that was read, in its pixels, and what `place` gave then.
   */
  show(shown) {
    this.shown = shown;
    this.draw();
  }

  update() {
    this.draw();
    this.onChange();
  }

  addListeners() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      canvas.classList.add("pointed"); // no focus ring for pointers
      canvas.setPointerCapture(event.pointerId);
      this.cursor = null;
      const point = this.toUnits(event);
      if (this.outlineAt(point)) this.pressed = { pointer: event.pointerId, point };
      else this.beginStroke(event.pointerId, point);
    });
    canvas.addEventListener("pointermove", (event) => {
      const { x, y } = this.toUnits(event);
      canvas.style.cursor = this.outlineAt({ x, y }) ? "pointer" : "";
      if (this.pressed?.pointer === event.pointerId) {
        const { point } = this.pressed;
        if (Math.hypot(x - point.x, y - point.y) < MAX_CLICK_UNITS) return;
        this.pressed = null;
        this.beginStroke(event.pointerId, point);
      }
      const stroke = this.activeStrokes.get(event.pointerId);
      if (!stroke) return;
      const events = event.getCoalescedEvents?.() ?? [];
      for (const one of events.length ? events : [event]) stroke.points.push(this.toUnits(one));
      this.update();
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => {
        if (this.activeStrokes.delete(event.pointerId)) this.update();
        if (this.pressed?.pointer !== event.pointerId) return;
        const outline = this.outlineAt(this.pressed.point);
        this.pressed = null;
        if (outline && end === "pointerup") this.onSelect(outline.target);
      });
    }
    canvas.addEventListener("keydown", (event) => this.onKey(event));
    canvas.addEventListener("blur", () => {
      this.cursor = null;
      if (this.activeStrokes.delete("keys")) this.update();
      else this.draw();
    });
  }

  onKey(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if ((!move && event.key !== " ") || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.canvas.classList.remove("pointed");
    const height = this.height();
    this.cursor ??= { x: WIDTH_UNITS / 2, y: height / 2 };
    if (move) {
      const step = event.shiftKey ? KEY_STEP_UNITS / 4 : KEY_STEP_UNITS;
      this.cursor = {
        x: clamp(this.cursor.x + move[0] * step, 0, WIDTH_UNITS),
        y: clamp(this.cursor.y + move[1] * step, 0, height),
      };
      this.activeStrokes.get("keys")?.points.push(this.cursor);
    } else if (!this.activeStrokes.delete("keys")) {
      this.beginStroke("keys", this.cursor);
      return;
    }
    if (move && !this.activeStrokes.has("keys")) this.draw();
    else this.update();
  }

  beginStroke(pointer, point) {
    const stroke = { points: [point], width: this.penWidth };
    this.activeStrokes.set(pointer, stroke);
    this.strokes.push(stroke);
    this.update();
  }

  /** The place of a pointer event, in units. */
  toUnits({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    const scale = WIDTH_UNITS / box.width;
    return { x: (clientX - box.left) * scale, y: (clientY - box.top) * scale };
  }

  height() {
    return (WIDTH_UNITS * this.canvas.clientHeight) / this.canvas.clientWidth;
  }

  /** The scale and corner of the picture, in units: as large as it fits, centred. */
  pictureFrame() {
    const { width, height } = this.picture.bitmap;
    const scale = Math.min(WIDTH_UNITS / width, this.height() / height);
    return { scale, x: (WIDTH_UNITS - width * scale) / 2, y: (this.height() - height * scale) / 2 };
  }

  draw() {
    const { canvas } = this;
    if (!canvas.clientWidth) return;
    canvas.width = canvas.clientWidth * devicePixelRatio;
    canvas.height = canvas.clientHeight * devicePixelRatio;
    const context = canvas.getContext("2d");
    const scale = canvas.width / WIDTH_UNITS;
    context.scale(scale, scale);
    if (this.picture?.bitmap) {
      const { bitmap } = this.picture;
      const frame = this.pictureFrame();
      context.drawImage(bitmap, frame.x, frame.y, bitmap.width * frame.scale, bitmap.height * frame.scale);
    }
    const light = this.dark.matches && !this.picture;
    drawStrokes(context, this.strokes, light ? "#f2f4f6" : "#14171a");
    if (this.shown.outlines.length) {
      drawOutlines(context, this.shown.outlines, this.shown.selected, this.fromPixels(), WIDTH_UNITS / canvas.clientWidth);
    }
    if (this.cursor) {
      context.beginPath();
      context.arc(this.cursor.x, this.cursor.y, this.penWidth / 2 + 4, 0, 7);
      context.lineWidth = 3;
      context.strokeStyle = "#0072b2";
      context.setLineDash(this.activeStrokes.has("keys") ? [] : [8, 6]);
      context.stroke();
    }
  }

  /** A function from pixels of the picture that was read to units. */
  fromPixels() {
    const { x, y, width } = this.picture ? this.place() : this.shown.place;
    const scale = width / this.shown.width;
    return ([across, down]) => [x + across * scale, y + down * scale];
  }

  /** The outline at a point, if any. */
  outlineAt(point) {
    return this.shown.outlines.length ? outlineAt(this.shown.outlines, point, this.fromPixels()) : undefined;
  }

  /** Where on the canvas the picture that is read lies: its corner and its width, in units. */
  place() {
    const { x, y, width, scale } = this.picture ? this.pictureRaster() : this.drawingRaster();
    return { x, y, width: width / scale };
  }

  /** Return a canvas of what is to be read: black strokes on the picture, or on white around them. */
  rasterize() {
    const { width, height, scale, x, y } = this.picture ? this.pictureRaster() : this.drawingRaster();
    const raster = document.createElement("canvas");
    [raster.width, raster.height] = [width, height];
    const context = raster.getContext("2d", { willReadFrequently: true });
    if (this.picture) {
      context.drawImage(this.picture.bitmap, 0, 0, width, height);
    } else {
      context.fillStyle = "#fff";
      context.fillRect(0, 0, width, height);
    }
    context.scale(scale, scale);
    context.translate(-x, -y);
    drawStrokes(context, this.strokes, "#000");
    return raster;
  }

  /** The size of a raster of the picture, its scale in pixels a unit, and its corner in units. */
  pictureRaster() {
    const { width, height } = this.picture.bitmap;
    const { scale, x, y } = this.pictureFrame();
    const shrink = Math.min(1, MAX_PICTURE_SIDE_PX / Math.max(width, height));
    const side = (length) => Math.max(1, Math.round(length * shrink));
    return { width: side(width), height: side(height), scale: shrink / scale, x, y };
  }

  /** The same of a raster of the strokes, which shows them and a margin. */
  drawingRaster() {
    const around = ({ points, width }, axis) => points.reduce(([first, last], point) =>
      [Math.min(first, point[axis] - width / 2), Math.max(last, point[axis] + width / 2)], [Infinity, -Infinity]);
    const [xs, ys] = ["x", "y"].map((axis) => this.strokes.map((stroke) => around(stroke, axis)));
    const [left, top] = [xs, ys].map((sides) => Math.min(...sides.map(([first]) => first)));
    const [right, bottom] = [xs, ys].map((sides) => Math.max(...sides.map(([, last]) => last)));
    const tallest = Math.max(...ys.map(([first, last]) => last - first));
    const [across, down] = [right - left, bottom - top];
    const small = Math.min(TALLEST_STROKE_PX / tallest, Math.sqrt(MAX_DRAWING_PX / (across * down)));
    const scale = this.detailed ? MAX_SCALE : Math.min(MAX_SCALE, small);
    const side = (length) => Math.round(length * scale) + 2 * MARGIN_PX;
    const margin = MARGIN_PX / scale;
    return { width: side(across), height: side(down), scale, x: left - margin, y: top - margin };
  }
}

/** Draw strokes smoothly: curves between the middles of neighbouring points. */
function drawStrokes(context, strokes, colour) {
  context.lineCap = "round";
  context.lineJoin = "round";
  context.strokeStyle = colour;
  for (const { points, width } of strokes) {
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(points[0].x, points[0].y);
    for (let i = 1; i < points.length - 1; i++) {
      const [a, b] = [points[i], points[i + 1]];
      context.quadraticCurveTo(a.x, a.y, (a.x + b.x) / 2, (a.y + b.y) / 2);
    }
    const last = points.at(-1);
    context.lineTo(last.x, last.y);
    context.stroke();
  }
}
