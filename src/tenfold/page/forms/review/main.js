// Fields one after the other, the most doubtful first: the next is shown before the last is stored.

import { Api, cropOf, keyOf } from "./api.js";
import { Entry } from "./entry.js";

const NAME = "tenfold-reviewer";
const AHEAD = 8; // fields that are fetched before they are shown
const FETCH_BELOW = 6;
const SHOWN_READINGS = 3; // the down arrow shows more
const ASK_AGAIN_MS = 5000;

const $ = (id) => document.getElementById(id);
const show = (id, shown) => ($(id).hidden = !shown);

class Review {
  queue = [];
  entered = new Map(); // what this page has entered, by field
  sending = new Set(); // entries on their way
  sampling = false;

  constructor(who) {
    this.api = new Api(who, (progress) => this.showProgress(progress));
    this.entry = new Entry($("value"), $("mark"), () => this.mark());
    $("field").addEventListener("submit", (event) => (event.preventDefault(), this.accept()));
    $("field").addEventListener("keydown", (event) => this.onKey(event));
    $("empty").addEventListener("click", () => this.setEmpty());
    for (const id of ["undo", "undo-last"]) $(id).addEventListener("click", () => this.undo());
    $("sample").addEventListener("click", () => this.sample(true));
    $("stop").addEventListener("click", () => this.sample(false));
    show("state", true);
  }

  get current() {
    return this.queue[0];
  }

  /** Fetch fields, unless that is being done already. */
  fetch() {
    return (this.fetching ??= this.try(async () => {
      const { fields } = await this.api.fields(AHEAD, this.sampling);
      const known = new Set([...this.queue.map(keyOf), ...this.entered.keys()]);
      this.queue.push(...fields.filter((field) => !known.has(keyOf(field))));
      for (const field of this.queue) if (field.crop) new Image().src = cropOf(field);
    }).finally(() => (this.fetching = undefined)));
  }

  async next() {
    clearTimeout(this.timer);
    if (!this.current) await Promise.all(this.sending);
    if (!this.current && !(await this.fetch())) {
      this.timer = setTimeout(() => this.next(), ASK_AGAIN_MS);
    } else if (this.current) this.showField(this.current);
    else await this.finish();
  }

  showField(field, value = field.value) {
    show("done", false);
    show("field", true);
    show("stop", this.sampling);
    $("place").textContent = `${field.document}: ${field.field}`;
    show("crop", field.crop);
    show("no-crop", !field.crop);
    if (field.crop) {
      $("crop").src = cropOf(field);
      $("crop").alt = `Picture of ${field.field} on ${field.document}`;
    }
    const isMark = field.kind === "mark";
    for (const id of ["value", "value-label"]) show(id, !isMark);
    for (const id of ["mark", "mark-label"]) show(id, isMark);
    show("empty", !isMark);
    this.entry.show(field, value);
  }

  /** Show how the entry and the reading differ. */
  mark() {
    const field = this.current;
    if (!field) return;
    const read = field.kind === "mark" ? (field.value === "true" ? "ticked" : "not ticked") : field.value || "nothing";
    const percent = (100 * field.probability).toFixed(0);
    const rule = field.rules ? `; it breaks the rule ${field.rules}` : "";
    $("doubt").textContent = `Read: ${read}, ${percent} % sure${rule}.`;
    const others = field.kind === "mark" ? [] : this.entry.options.filter((one) => one !== this.entry.value);
    $("alternatives").replaceChildren(...others.slice(0, SHOWN_READINGS).map((value) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: value || "nothing" });
      button.addEventListener("click", () => ((this.entry.value = value), this.entry.active.focus()));
      return button;
    }));
  }

  /** Store the entry and show the next field at once; come back to it if it cannot be stored. */
  async accept() {
    const field = this.queue.shift();
    if (!field) return;
    this.note("");
    const [key, value] = [keyOf(field), this.entry.value];
    this.entered.set(key, value);
    const sent = this.try(async () => {
      const { before, broken, settled } = await this.api.review(field, value);
      this.drop(settled);
      if (broken && value !== field.value) this.note(`${field.field}: ${value || "nothing"} breaks the rule "${broken}". Undo goes back to it.`);
      if (before) this.note(`${before.who} had entered ${before.value || "nothing"}; yours counts.`);
    });
    this.sending.add(sent);
    if (this.current) this.showField(this.current);
    if (this.queue.length < FETCH_BELOW) this.fetch();
    const stored = await sent;
    this.sending.delete(sent);
    if (!stored) {
      this.entered.delete(key);
      this.queue.unshift(field);
      this.showField(field, value);
    } else if (!this.current && !this.sending.size) await this.next();
  }

  /** Leave out fields that need no review any more, but for one that is being typed over. */
  drop(settled) {
    const keys = new Set(settled.map(keyOf));
    const shown = this.current;
    this.queue = this.queue.filter((field) => !keys.has(keyOf(field)) || (field === shown && this.entry.isChanged));
    if (this.current && this.current !== shown) this.showField(this.current);
  }

  async undo() {
    await Promise.all(this.sending);
    await this.try(async () => {
      const { field } = await this.api.undo();
      if (!field) return this.note("You have entered nothing that can be taken back.");
      const value = this.entered.get(keyOf(field));
      this.entered.delete(keyOf(field));
      this.queue.unshift(field);
      this.showField(field, value);
    });
  }

  setEmpty() {
    this.entry.value = "";
    this.entry.active.focus();
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.repeat && event.key === "Enter") return event.preventDefault(); // a key that is held accepts one field
    const isEntry = event.target === this.entry.active;
    const actions = { Escape: () => (this.entry.isChanged ? (this.entry.value = this.entry.field.value) : this.undo()) };
    if (isEntry) {
      actions.ArrowDown = () => this.entry.next(1);
      actions.ArrowUp = () => this.entry.next(-1);
      if (this.current?.kind !== "mark") actions.x = actions.X = () => this.setEmpty();
      else actions.Enter = () => this.accept();
    }
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }

  async sample(sampling) {
    await this.fetching;
    this.sampling = sampling;
    this.queue = [];
    await this.next();
  }

  /** Nothing is left to review: write the table, or wait for what others have. */
  async finish() {
    show("field", false);
    show("done", true);
    const { doubtful = 0, reviewed = 0 } = this.progress ?? {};
    const waiting = !this.sampling && reviewed < doubtful;
    $("done-heading").textContent = waiting ? "The rest is with others" : "All is reviewed";
    $("table").textContent = "";
    this.sampling = false;
    if (waiting) {
      this.timer = setTimeout(() => this.next(), ASK_AGAIN_MS);
      return;
    }
    $("done-heading").focus();
    await this.try(async () => {
      const { table } = await this.api.table();
      $("table").textContent = `Written: ${table}. You can close this page; Ctrl-C ends the command.`;
    });
  }

  showProgress(progress) {
    this.progress = progress;
    $("bar").max = Math.max(1, progress.doubtful);
    $("bar").value = progress.reviewed;
    $("progress").textContent = progress.text;
  }

  note(text) {
    $("note").textContent = text;
  }

  /** Do something; show why it cannot be done. */
  async try(run) {
    try {
      await run();
      show("error", false);
      return true;
    } catch (error) {
      $("error").textContent = error.message;
      show("error", true);
      return false;
    }
  }
}

/** The reviewer's name of last time, after storing another one; storage may be blocked. */
function storedName(name) {
  try {
    if (name) localStorage.setItem(NAME, name);
    return localStorage.getItem(NAME);
  } catch {
    return null;
  }
}

function start(who) {
  storedName(who);
  show("name-form", false);
  $("who").textContent = who;
  const review = new Review(who);
  review.next().then(() => (document.body.dataset.ready = ""));
}

const known = storedName();
if (known) start(known);
else {
  show("name-form", true);
  $("name").focus();
  $("name-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if ($("name").value.trim()) start($("name").value.trim());
  });
}
