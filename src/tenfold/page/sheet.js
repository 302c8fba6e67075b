// The sheet: what is drawn with pen, mouse, finger or keys, over a picture or on bare paper.

const UNITS = 1000; // of the sheet's width: what points and pens are measured in
const READ_WIDTH = 480; // pixels of what is read, where there is no picture
const STEP = 20; // units that an arrow key moves the pen
const MOST = 4096; // pixels of a picture's longer side

export class Sheet {
  /** @param canvas to draw on. @param changed called when there is something new to read. */
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.strokes = [];
    this.picture = null; // {bitmap, file}
    this.pen = 30; // units
    this.cursor = null; // {x, y}: of the keyboard's pen
    this.open = new Map(); // strokes under way, by pointer
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(canvas);
    this.listen();
  }

  get empty() {
    return !this.strokes.length && !this.picture;
  }

  get drawing() {
    return this.open.size > 0;
  }

  undo() {
    this.open.clear();
    if (this.strokes.length) this.strokes.pop();
    else this.picture = null;
    this.update();
  }

  clear() {
    this.open.clear();
    this.strokes = [];
    this.picture = null;
    this.update();
  }

  /** Lay a picture on the sheet, in place of all that is there. */
  async lay(file) {
    const bitmap = await createImageBitmap(file);
    this.strokes = [];
    this.picture = { bitmap, file };
    this.update();
  }

  update() {
    this.draw();
    this.changed();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      canvas.classList.add("pointed"); // and needs no ring around it
      canvas.setPointerCapture(event.pointerId);
      this.cursor = null;
      this.begin(event.pointerId, this.place(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      const stroke = this.open.get(event.pointerId);
      if (!stroke) return;
      const every = event.getCoalescedEvents?.() ?? [];
      for (const one of every.length ? every : [event]) stroke.points.push(this.place(one));
      this.update();
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => {
        if (this.open.delete(event.pointerId)) this.update();
      });
    }
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => {
      this.cursor = null;
      if (this.open.delete("keys")) this.update();
      else this.draw();
    });
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if ((!move && event.key !== " ") || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.canvas.classList.remove("pointed");
    const height = this.height();
    this.cursor ??= { x: UNITS / 2, y: height / 2 };
    if (move) {
      const step = event.shiftKey ? STEP / 4 : STEP;
      this.cursor = {
        x: Math.min(Math.max(this.cursor.x + move[0] * step, 0), UNITS),
        y: Math.min(Math.max(this.cursor.y + move[1] * step, 0), height),
      };
      this.open.get("keys")?.points.push(this.cursor);
    } else if (!this.open.delete("keys")) {
      this.begin("keys", this.cursor);
      return;
    }
    if (move && !this.open.has("keys")) this.draw();
    else this.update();
  }

  begin(pointer, point) {
    const stroke = { points: [point], width: this.pen };
    this.open.set(pointer, stroke);
    this.strokes.push(stroke);
    this.update();
  }

  place({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    const scale = UNITS / box.width;
    return { x: (clientX - box.left) * scale, y: (clientY - box.top) * scale };
  }

  height() {
    return (UNITS * this.canvas.clientHeight) / this.canvas.clientWidth;
  }

  /** Where the picture lies, in units: as large as it fits. */
  frame() {
    const { width, height } = this.picture.bitmap;
    const scale = Math.min(UNITS / width, this.height() / height);
    return { scale, x: (UNITS - width * scale) / 2, y: (this.height() - height * scale) / 2 };
  }

  draw() {
    const { canvas } = this;
    if (!canvas.clientWidth) return;
    canvas.width = canvas.clientWidth * devicePixelRatio;
    canvas.height = canvas.clientHeight * devicePixelRatio;
    const context = canvas.getContext("2d");
    const scale = canvas.width / UNITS;
    context.scale(scale, scale);
    if (this.picture) {
      const { bitmap } = this.picture;
      const frame = this.frame();
      context.drawImage(bitmap, frame.x, frame.y, bitmap.width * frame.scale, bitmap.height * frame.scale);
    }
    const light = this.dark.matches && !this.picture;
    drawStrokes(context, this.strokes, light ? "#f2f4f6" : "#14171a");
    if (this.cursor) {
      context.beginPath();
      context.arc(this.cursor.x, this.cursor.y, this.pen / 2 + 4, 0, 7);
      context.lineWidth = 3;
      context.strokeStyle = "#0072b2";
      context.setLineDash(this.open.has("keys") ? [] : [8, 6]);
      context.stroke();
    }
  }

  /** What is to be read, as pixels: black strokes on the picture or on white paper. */
  pixels() {
    const bitmap = this.picture?.bitmap;
    const frame = bitmap && this.frame();
    const shrink = bitmap ? Math.min(1, MOST / Math.max(bitmap.width, bitmap.height)) : 1;
    const scale = bitmap ? shrink / frame.scale : READ_WIDTH / UNITS;
    const raster = document.createElement("canvas");
    raster.width = bitmap ? Math.max(1, Math.round(bitmap.width * shrink)) : READ_WIDTH;
    raster.height = bitmap ? Math.max(1, Math.round(bitmap.height * shrink)) : Math.round(this.height() * scale);
    const context = raster.getContext("2d", { willReadFrequently: true });
    if (bitmap) {
      context.drawImage(bitmap, 0, 0, raster.width, raster.height);
    } else {
      context.fillStyle = "#fff";
      context.fillRect(0, 0, raster.width, raster.height);
    }
    context.scale(scale, scale);
    if (frame) context.translate(-frame.x, -frame.y);
    drawStrokes(context, this.strokes, "#000");
    return raster;
  }
}

/** Draw smooth lines through points: curves from middle to middle. */
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
