// The page: joins the template, the sheet and the inputs.

import { check, load, write } from "./api.js";
import { Input } from "./inputs.js";
import { KEYS_OF_FORM, KEYS_OF_PAGE, keysOfField, keysOfPlace, keysOfRules } from "./keys.js";
import { Sheet } from "./sheet.js";
import { Template } from "./template.js";

const CHECK_AFTER_MS = 200;
const COMMON_KEYS = ["name", "kind", "page", "box"];
const RING_PX = 5; // around what has the focus
const NEW_FIELD_MM = [20, 20, 40, 8];

const $ = (id) => document.getElementById(id);

class Editor {
  isSaved = true;

  constructor(loaded) {
    this.file = loaded.file;
    this.template = new Template(loaded);
    const { document: form } = this.template;
    const kinds = Object.keys(loaded.keys_of_kind);
    const ofField = (specs, id) => this.#inputs(specs, "field", $(id), (input) => this.#setField(input));
    this.fieldInputs = [...ofField(keysOfField(kinds), "keys"), ...ofField(keysOfPlace(form.pages.length), "keys-of-place")];
    this.ruleInputs = ofField(keysOfRules(loaded.checks), "keys-of-rules");
    this.formInputs = this.#inputs(KEYS_OF_FORM, "form", $("form"), ({ spec, value }) => this.#setForm(spec.key, value));
    this.pageInputs = this.#inputs(KEYS_OF_PAGE, "page", $("form"), ({ spec, value }) => this.#setPage(spec.key, value));
    this.sheet = new Sheet(this.template, { sheet: $("sheet"), picture: $("picture"), boxes: $("boxes"), drawButton: $("draw") });
    this.template.addEventListener("change", () => this.#onChange());
    this.template.addEventListener("select", () => this.#onSelect());
    this.#listen();
    this.sheet.show(1);
    this.#render();
    this.#say(loaded.is_written ? `${this.file} is open.` : `${this.file} is not written yet.`);
  }

  #inputs(specs, prefix, parent, onChange) {
    const made = specs.map((spec) => new Input(spec, prefix, onChange));
    parent.append(...made.map((input) => input.element));
    return made;
  }

  #listen() {
    const { template, sheet } = this;
    const actions = {
      save: () => this.#save(),
      undo: () => template.undo(),
      redo: () => template.redo(),
      add: () => this.#add(),
      duplicate: () => template.duplicate(),
      delete: () => template.remove(),
      earlier: () => template.reorder(-1),
      later: () => template.reorder(1),
      previous: () => this.#turn(-1),
      next: () => this.#turn(1),
    };
    for (const [id, run] of Object.entries(actions)) $(id).addEventListener("click", run);
    for (const id of ["field", "form"]) $(id).addEventListener("submit", (event) => event.preventDefault());
    $("zoom").addEventListener("change", () => ($("sheet").style.width = `${100 * $("zoom").value}%`));
    $("sheet").addEventListener("drawn", () => this.#nameIt());
    document.addEventListener("keydown", (event) => this.#onKey(event));
    addEventListener("beforeunload", (event) => this.isSaved || event.preventDefault());
  }

  #onKey(event) {
    if (!(event.ctrlKey || event.metaKey)) return;
    const key = event.key.toLowerCase();
    const run = { z: () => (event.shiftKey ? this.template.redo() : this.template.undo()), y: () => this.template.redo(), s: () => this.#save() }[key];
    if (!run) return;
    event.preventDefault();
    run();
  }

  #add() {
    const below = this.template.field && (this.template.field.page ?? 1) === this.sheet.page ? this.template.field.box : undefined;
    const [left, top, width, height] = below ?? NEW_FIELD_MM;
    const isBelow = below && top + 2 * height + 2 <= this.sheet.size.height_mm;
    this.template.add(this.sheet.page, isBelow ? [left, top + height + 2, width, height] : NEW_FIELD_MM);
    this.#nameIt();
  }

  /** Go to the name of the selected field, to be typed over. */
  #nameIt() {
    const name = this.fieldInputs[0].input;
    name.focus();
    name.select();
  }

  #setField({ spec, value }) {
    const { template } = this;
    if (spec.key !== "box") template.set(spec.key, spec.key === "name" ? (value ?? "") : value);
    else {
      const box = [...template.field.box];
      box[spec.part] = value ?? 0;
      template.set("box", box);
    }
    if (spec.key === "page") this.#onSelect();
  }

  #setForm(key, value) {
    this.template.change((form) => (value === undefined && key !== "name" ? delete form[key] : (form[key] = value ?? "")), `form ${key}`);
  }

  #setPage(key, value) {
    this.template.change(() => (this.sheet.size[key] = value ?? 0), `page ${key}`);
  }

  #turn(step) {
    this.sheet.show(this.sheet.page + step);
    this.#render();
  }

  #onSelect() {
    const page = this.template.field?.page ?? 1;
    if (this.template.field && page !== this.sheet.page && this.template.size(page)) this.sheet.show(page);
    this.#render();
  }

  #onChange() {
    this.isSaved = false;
    const last = this.template.document.pages.length;
    if (this.sheet.page > last) this.sheet.show(last);
    this.#render();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#check(), CHECK_AFTER_MS);
  }

  async #check() {
    const { template } = this;
    await this.#try(async () => {
      const { faults } = template.fields.length ? await check(template.document) : { faults: [] };
      this.#showFaults(faults);
    });
  }

  #showFaults(faults) {
    this.template.faults = faults;
    const count = faults.length === 1 ? "One thing needs" : `${faults.length} things need`;
    const ofForm = this.formInputs.map(({ spec }) => spec.key);
    const others = faults.filter(([at]) => at.length < 2 && !ofForm.includes(at[0])).map(([at, text]) => ` ${at.join(".")}: ${text}.`);
    this.#say(faults.length ? `${count} a change.${others.join("")}` : this.isSaved ? this.#next : "Not saved.");
    this.#render();
  }

  get #next() {
    return `${this.file} is written. To read scans: tenfold forms read ${this.file} SCANS --out table.csv`;
  }

  async #save() {
    clearTimeout(this.timer);
    const { template } = this;
    if (!template.fields.length) return this.#say("There is nothing to save: draw a field first.");
    const sent = JSON.stringify(template.document);
    let advice = "";
    await this.#try(async () => {
      const { faults = [], ...answer } = await write(template.document);
      advice = answer.advice;
      this.isSaved = !faults.length && sent === JSON.stringify(template.document);
      this.#showFaults(faults);
      const [wrong] = faults;
      if (wrong?.[0][0] === "fields" && wrong[0].length > 1) template.select(wrong[0][1]);
    });
    if (advice) showError(advice);
  }

  #render() {
    const { template, sheet } = this;
    const { field, selected } = template;
    sheet.render();
    this.#renderList();
    $("field").hidden = !field;
    if (field) this.#renderField(field, selected);
    for (const input of this.formInputs) {
      input.show(template.document[input.spec.key]);
      input.showFaults(template.faultsAt(undefined, input.spec.key));
    }
    for (const input of this.pageInputs) {
      input.show(sheet.size[input.spec.key]);
      const at = ([place]) => place[0] === "pages" && place[1] === sheet.page - 1 && place[2] === input.spec.key;
      input.showFaults(template.faults.filter(at).map(([, message]) => message));
    }
    $("undo").disabled = !template.canUndo;
    $("redo").disabled = !template.canRedo;
    const last = template.document.pages.length;
    $("pages").hidden = last === 1;
    $("page").textContent = `Page ${sheet.page} of ${last}`;
    $("previous").disabled = sheet.page === 1;
    $("next").disabled = sheet.page === last;
  }

  #renderField(field, selected) {
    const { template } = this;
    const allowed = [...COMMON_KEYS, ...template.keysOfKind[field.kind]];
    $("field-heading").textContent = `Field ${selected + 1}: ${field.name}`;
    for (const input of [...this.fieldInputs, ...this.ruleInputs]) {
      const { key, part } = input.spec;
      input.element.hidden = !allowed.includes(key);
      const value = key === "page" ? (field.page ?? 1) : field[key];
      input.show(part === undefined ? value : value[part]);
      const faults = template.faults.filter(([at]) => at[0] === "fields" && at[1] === selected && at[2] === key);
      const ofPart = faults.filter(([at]) => part === undefined || (at[3] ?? 0) === part);
      input.showFaults(ofPart.map(([, message]) => message));
    }
    $("rules").hidden = this.ruleInputs.every((input) => input.element.hidden);
    if (this.ruleInputs.some((input) => !input.fault.hidden)) $("rules").open = true;
    const general = template.faults.filter(([at]) => at[0] === "fields" && at[1] === selected && at.length === 2);
    $("fault-of-field").textContent = general.map(([, message]) => message).join("; ");
    $("fault-of-field").hidden = !general.length;
    $("earlier").disabled = selected === 0;
    $("later").disabled = selected === template.fields.length - 1;
  }

  #renderList() {
    const { template } = this;
    const inList = $("fields").contains(document.activeElement);
    $("fields").replaceChildren(...template.fields.map((field, index) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      const name = Object.assign(document.createElement("span"), { className: "name", textContent: field.name || "no name" });
      const kind = Object.assign(document.createElement("span"), { className: "soft", textContent: described(field) });
      button.append(name, kind);
      if (template.faultsAt(index).length) button.append(Object.assign(document.createElement("span"), { className: "wrong", textContent: "needs a change" }));
      button.setAttribute("aria-pressed", index === template.selected);
      button.addEventListener("click", () => template.select(index));
      const item = document.createElement("li");
      item.append(button);
      return item;
    }));
    if (inList) $("fields").children[template.selected]?.firstElementChild.focus();
    if (template.selected !== this.listed) scrollTo($("fields"), $("fields").children[template.selected]);
    this.listed = template.selected;
  }

  #say(text) {
    $("status").textContent = text;
  }

  /** Do something; show why it cannot be done. */
  async #try(run) {
    try {
      await run();
      $("error").hidden = true;
    } catch (error) {
      showError(error.message);
    }
  }
}

function showError(text) {
  $("error").textContent = text;
  $("error").hidden = false;
}

/** Scroll a list, and nothing around it, until an item is in sight. */
function scrollTo(list, item) {
  if (!item) return;
  const [outer, inner] = [list, item].map((element) => element.getBoundingClientRect());
  list.scrollTop += Math.min(0, inner.top - RING_PX - outer.top) || Math.max(0, inner.bottom + RING_PX - outer.bottom);
}

const described = ({ kind, length, rows, columns }) =>
  kind === "digits" ? `${length ?? "?"} digits` : kind === "grid" ? `grid, ${rows ?? "?"} × ${columns ?? "?"}` : kind;

try {
  new Editor(await load());
  document.body.dataset.ready = "";
} catch (error) {
  showError(error.message);
}
