// The picture of a page with the boxes of its fields: draw, move and resize with a pointer or keys.

import { pictureOf } from "./api.js";

const STEP_MM = 1; // of an arrow key
const SMALLEST_DRAG_MM = 2; // less is a click
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Sheet {
  page = 1;

  constructor(template, { sheet, picture, boxes, drawButton }) {
    Object.assign(this, { template, sheet, picture, boxes, drawButton });
    sheet.addEventListener("pointerdown", (event) => this.#start(event));
    boxes.addEventListener("keydown", (event) => this.#onKey(event));
    boxes.addEventListener("focusin", (event) => this.#onFocus(event));
    drawButton.addEventListener("click", () => this.#setDrawing(!this.isDrawing));
  }

  get isDrawing() {
    return this.drawButton.getAttribute("aria-pressed") === "true";
  }

  #setDrawing(drawing) {
    this.drawButton.setAttribute("aria-pressed", drawing);
    this.sheet.classList.toggle("drawing", drawing);
  }

  get size() {
    return this.template.size(this.page);
  }

  /** Show a page. */
  show(page) {
    this.page = page;
    this.picture.src = pictureOf(page);
    this.picture.alt = `Page ${page} of the blank form`;
    this.render();
  }

  render() {
    const { width_mm: width, height_mm: height } = this.size;
    this.picture.style.aspectRatio = `${width} / ${height}`;
    const focused = this.boxes.contains(document.activeElement) && document.activeElement.dataset.index;
    const shown = this.template.fields.flatMap((field, index) => ((field.page ?? 1) === this.page ? [this.#box(field, index)] : []));
    this.boxes.replaceChildren(...shown);
    if (focused) this.focus(this.template.selected);
  }

  focus(index) {
    this.boxes.querySelector(`[data-index="${index}"]`)?.focus({ preventScroll: true });
  }

  #box(field, index) {
    const box = Object.assign(document.createElement("button"), { type: "button", className: "box" });
    const [left, top, width, height] = field.box;
    const wrong = this.template.faultsAt(index).length > 0;
    box.dataset.index = index;
    box.classList.toggle("wrong", wrong);
    box.setAttribute("aria-pressed", index === this.template.selected);
    box.setAttribute("aria-describedby", "sheet-help");
    box.setAttribute("aria-label", `${field.name}, ${width} by ${height} mm, at ${left} and ${top} mm${wrong ? ", needs a change" : ""}`);
    this.#setPosition(box, field.box);
    const [name, corner] = ["name", "corner"].map((className) => Object.assign(document.createElement("span"), { className }));
    name.textContent = field.name;
    box.append(name, corner, ...gridLines(field));
    return box;
  }

  #setPosition(element, [left, top, width, height]) {
    const { width_mm: w, height_mm: h } = this.size;
    const percent = { left: left / w, top: top / h, width: width / w, height: height / h };
    for (const [key, value] of Object.entries(percent)) element.style[key] = `${100 * value}%`;
  }

  /** Return where a pointer is, in mm of the page. */
  #position(event) {
    const { left, top, width, height } = this.sheet.getBoundingClientRect();
    const { width_mm: w, height_mm: h } = this.size;
    const within = (value, limit) => Math.min(Math.max(value, 0), limit);
    return [within(((event.clientX - left) / width) * w, w), within(((event.clientY - top) / height) * h, h)];
  }

  #start(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    const box = event.target.closest(".box");
    if (box) this.#drag(event, Number(box.dataset.index), event.target.classList.contains("corner"));
    else if (event.pointerType === "mouse" || this.isDrawing) this.#draw(event);
  }

  /** Follow a pointer until it is released. */
  #follow(event, onMove, onEnd = () => {}) {
    const ended = new AbortController();
    this.sheet.setPointerCapture(event.pointerId);
    const end = (run) => (next) => (ended.abort(), run(next));
    this.sheet.addEventListener("pointermove", onMove, { signal: ended.signal });
    this.sheet.addEventListener("pointerup", end(onEnd), { signal: ended.signal });
    this.sheet.addEventListener("pointercancel", end(() => onEnd()), { signal: ended.signal });
  }

  #drag(event, index, isResized) {
    event.preventDefault();
    this.template.select(index);
    this.focus(index);
    const [x, y] = this.#position(event);
    const [left, top, width, height] = this.template.fields[index].box;
    const name = `drag ${event.timeStamp}`;
    this.#follow(event, (next) => {
      const [dx, dy] = this.#position(next).map((value, k) => value - [x, y][k]);
      const box = isResized ? [left, top, width + dx, height + dy] : [left + dx, top + dy, width, height];
      this.template.place(index, box, name);
    });
  }

  #draw(event) {
    event.preventDefault();
    const start = this.#position(event);
    const rubber = Object.assign(document.createElement("div"), { className: "rubber" });
    this.sheet.append(rubber);
    const boxTo = (next) => {
      const end = this.#position(next);
      const [left, top] = start.map((value, k) => Math.min(value, end[k]));
      return [left, top, ...start.map((value, k) => Math.abs(value - end[k]))];
    };
    const finish = (next) => {
      rubber.remove();
      const box = next && boxTo(next);
      if (!box || Math.min(box[2], box[3]) < SMALLEST_DRAG_MM) return;
      this.#setDrawing(false);
      this.template.add(this.page, box);
      this.sheet.dispatchEvent(new Event("drawn"));
    };
    this.#follow(event, (next) => this.#setPosition(rubber, boxTo(next)), finish);
  }

  #onFocus(event) {
    const index = Number(event.target.dataset.index);
    if (index !== this.template.selected) this.template.select(index);
  }

  #onKey(event) {
    const index = Number(event.target.dataset.index);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in ARROWS) {
      const [dx, dy] = ARROWS[event.key].map((step) => step * STEP_MM);
      const [left, top, width, height] = this.template.fields[index].box;
      const box = event.shiftKey ? [left, top, width + dx, height + dy] : [left + dx, top + dy, width, height];
      this.template.place(index, box, "keys");
    } else if (event.key === "Delete" || event.key === "Backspace") this.template.remove();
    else if (event.key === "Enter") this.sheet.dispatchEvent(new Event("drawn"));
    else return;
    event.preventDefault();
  }
}

/** Return the lines between the cells of a grid. */
function gridLines({ kind, rows, columns }) {
  if (kind !== "grid") return [];
  const line = (style) => {
    const made = Object.assign(document.createElement("span"), { className: "cell-line" });
    Object.assign(made.style, style);
    return made;
  };
  const between = (count) => Array.from({ length: Math.min(100, Math.max(1, count ?? 1)) - 1 }, (_, k) => `${(100 * (k + 1)) / count}%`);
  return [
    ...between(columns).map((left) => line({ left, top: 0, width: "1px", height: "100%" })),
    ...between(rows).map((top) => line({ top, left: 0, height: "1px", width: "100%" })),
  ];
}
