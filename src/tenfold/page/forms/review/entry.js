// The field in which a reading is typed over: a digit replaces the one at the cursor.

const TYPED = /^[-+0-9.,:/ ]$/;

/** What a person enters for a field: a text, or whether a box is ticked. */
export class Entry {
  constructor(text, mark, onChange) {
    Object.assign(this, { text, mark, onChange });
    text.addEventListener("beforeinput", (event) => this.overwrite(event));
    text.addEventListener("input", onChange);
    mark.addEventListener("input", onChange);
  }

  /** Show a field, with a value; the cursor stands before the first character. */
  show(field, value) {
    this.field = field;
    this.isMark = field.kind === "mark";
    this.options = [field.value, ...field.alternatives.filter((one) => one !== field.value)];
    this.value = value;
    this.active.focus();
  }

  get active() {
    return this.isMark ? this.mark : this.text;
  }

  get value() {
    return this.isMark ? String(this.mark.checked) : this.text.value.trim();
  }

  set value(value) {
    if (this.isMark) this.mark.checked = value === "true";
    else {
      this.text.value = value;
      this.text.setSelectionRange(0, 0);
    }
    this.onChange();
  }

  get isChanged() {
    return this.value !== this.field.value;
  }

  /** Show the next of the readings. */
  next(step) {
    const at = this.options.indexOf(this.value);
    this.value = this.options[(at + step + this.options.length) % this.options.length];
  }

  overwrite(event) {
    if (event.inputType !== "insertText" || event.data === null) return;
    if (![...event.data].every((one) => TYPED.test(one))) {
      event.preventDefault();
      return;
    }
    const { value, selectionStart: start, selectionEnd: end } = this.text;
    if (start !== end || event.data.length !== 1) return;
    event.preventDefault();
    this.text.value = value.slice(0, start) + event.data + value.slice(start + 1);
    this.text.setSelectionRange(start + 1, start + 1);
    this.onChange();
  }
}
