// The template while it is edited: its document, the selected field, what can be undone, what is wrong.

const STEP_MM = 0.1; // boxes are kept to a tenth of a millimetre
const SMALLEST_MM = 1;

export const rounded = (mm) => Math.round(mm / STEP_MM) / Math.round(1 / STEP_MM);

export class Template extends EventTarget {
  #past = [];
  #future = [];
  #last = ""; // what the last change was of: more of the same is one step to undo
  selected = -1;
  faults = [];

  constructor({ document, keys_of_kind: keysOfKind }) {
    super();
    Object.assign(this, { document, keysOfKind });
  }

  get fields() {
    return this.document.fields;
  }

  get field() {
    return this.fields[this.selected];
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  size(page) {
    return this.document.pages[page - 1];
  }

  #announce() {
    this.dispatchEvent(new Event("change"));
  }

  select(index) {
    this.selected = index;
    this.#last = "";
    this.dispatchEvent(new Event("select"));
  }

  /** Change the document; several changes with one name, one after the other, are undone together. */
  change(run, name = "") {
    if (!name || name !== this.#last) this.#past.push(this.#state());
    this.#future = [];
    this.#last = name;
    run(this.document);
    this.#announce();
  }

  #state() {
    return JSON.stringify([this.document, this.selected]);
  }

  #restore(from, to) {
    if (!from.length) return;
    to.push(this.#state());
    [this.document, this.selected] = JSON.parse(from.pop());
    this.#last = "";
    this.#announce();
  }

  undo() {
    this.#restore(this.#past, this.#future);
  }

  redo() {
    this.#restore(this.#future, this.#past);
  }

  /** Set a key of the selected field; undefined removes it. */
  set(key, value) {
    this.change(() => {
      if (value === undefined) delete this.field[key];
      else this.field[key] = value;
      if (key === "kind") this.#fitToKind();
    }, `${this.selected} ${key}`);
  }

  /** Remove what does not go with the kind, and give what it needs. */
  #fitToKind() {
    const field = this.field;
    const common = ["name", "page", "box", "kind"];
    const allowed = [...common, ...this.keysOfKind[field.kind]];
    for (const key of Object.keys(field)) if (!allowed.includes(key)) delete field[key];
    if (field.kind === "digits") field.length ??= likelyLength(field.box);
    if (field.kind === "grid") Object.assign(field, { rows: field.rows ?? 2, columns: field.columns ?? 2 });
  }

  /** Return a box that lies within a page. */
  #within(page, [left, top, width, height]) {
    const { width_mm, height_mm } = this.size(page) ?? { width_mm: 2000, height_mm: 2000 };
    const w = Math.min(Math.max(width, SMALLEST_MM), width_mm);
    const h = Math.min(Math.max(height, SMALLEST_MM), height_mm);
    const x = Math.min(Math.max(left, 0), width_mm - w);
    const y = Math.min(Math.max(top, 0), height_mm - h);
    return [x, y, w, h].map(rounded);
  }

  /** Move or resize a field, within its page. */
  place(index, box, name) {
    const field = this.fields[index];
    this.change(() => (field.box = this.#within(field.page ?? 1, box)), `${name} ${index}`);
  }

  /** Add a field and select it. */
  add(page, box) {
    const field = { name: this.#freeName("field"), page, box: this.#within(page, box), kind: "digits" };
    this.change(() => {
      this.selected = this.fields.push(field) - 1;
      this.#fitToKind();
    });
  }

  /** Add a copy of the selected field below it. */
  duplicate() {
    const [left, top, width, height] = this.field.box;
    const copy = structuredClone(this.field);
    copy.name = this.#freeName(copy.name.replace(/_?\d+$/, ""));
    copy.box = this.#within(copy.page ?? 1, [left, top + height + 2, width, height]);
    this.change(() => {
      this.fields.splice(this.selected + 1, 0, copy);
      this.selected += 1;
    });
  }

  remove() {
    this.change(() => {
      this.fields.splice(this.selected, 1);
      this.selected = Math.min(this.selected, this.fields.length - 1);
    });
  }

  /** Move the selected field in the list. */
  reorder(step) {
    const to = this.selected + step;
    if (to < 0 || to >= this.fields.length) return;
    this.change(() => {
      const [field] = this.fields.splice(this.selected, 1);
      this.fields.splice(to, 0, field);
      this.selected = to;
    });
  }

  #freeName(stem) {
    const taken = new Set(this.fields.map((field) => field.name));
    for (let k = 1; ; k++) if (!taken.has(`${stem}_${k}`)) return `${stem}_${k}`;
  }

  /** Return what is wrong with a key of a field, or of the form if the index is undefined. */
  faultsAt(index, key) {
    const place = index === undefined ? [key] : ["fields", index, key];
    const within = ([at]) => place.every((part, k) => part === undefined || part === at[k]);
    return this.faults.filter(within).map(([, message]) => message);
  }
}

/** The printed box of a digit is about 0.8 times as wide as it is high. */
function likelyLength([, , width, height]) {
  return Math.min(40, Math.max(1, Math.round(width / (0.8 * height))));
}
