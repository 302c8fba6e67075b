// Inputs for the keys of a field or of the form, each with what is wrong beside it.

const listed = (text) => text.split(",").map((part) => part.trim()).filter(Boolean);
const isGiven = (value) => value !== undefined && value !== null;

const TYPES = {
  text: { read: (input) => input.value.trim() || undefined, show: (input, value) => (input.value = value ?? "") },
  number: {
    read: (input) => (input.value === "" ? undefined : input.valueAsNumber),
    show: (input, value) => (input.value = value ?? ""),
  },
  checkbox: { read: (input) => input.checked || undefined, show: (input, value) => (input.checked = Boolean(value)) },
  list: {
    read: (input) => (listed(input.value).length ? listed(input.value) : undefined),
    show: (input, value) => (input.value = (value ?? []).join(", ")),
  },
  select: { read: (input) => input.value || undefined, show: (input, value) => (input.value = value ?? "") },
};

/** An input with its label and the place for its fault. */
export class Input {
  /**
   * @param {{key: string, label: string, type: string, part?: number, options?: string[],
   *   names?: Object<string, string>, wide?: boolean}} spec `part` is the index in an array, such as a box;
   *   `names` are what is shown for options.
   */
  constructor(spec, prefix, onChange) {
    this.spec = spec;
    this.type = TYPES[spec.type];
    const id = `${prefix}-${spec.key}${spec.part ?? ""}`;
    this.input = document.createElement(spec.type === "select" ? "select" : "input");
    Object.assign(this.input, { id, ...spec.attributes });
    if (spec.type === "select") this.input.append(...spec.options.map((option) => new Option(spec.names?.[option] ?? (option || "none"), option)));
    else this.input.type = spec.type === "list" ? "text" : spec.type;
    this.fault = Object.assign(document.createElement("p"), { id: `${id}-fault`, className: "fault", hidden: true });
    const label = Object.assign(document.createElement("label"), { htmlFor: id });
    if (spec.type === "checkbox") {
      label.className = "check";
      label.append(this.input, ` ${spec.label}`);
    } else label.append(spec.label);
    this.element = document.createElement("div");
    this.element.append(label, ...(spec.type === "checkbox" ? [] : [this.input]), this.fault);
    this.element.classList.toggle("wide", Boolean(spec.wide));
    this.input.setAttribute("aria-describedby", this.fault.id);
    this.input.addEventListener(spec.type === "select" || spec.type === "checkbox" ? "change" : "input", () => onChange(this));
  }

  get value() {
    return this.type.read(this.input);
  }

  /** Show a value, unless it is what the input says already: a text is not changed while it is typed. */
  show(value) {
    const shown = this.value;
    if (isGiven(value) || isGiven(shown)) if (JSON.stringify(shown) !== JSON.stringify(value)) this.type.show(this.input, value);
  }

  showFaults(faults) {
    this.fault.textContent = faults.join("; ");
    this.fault.hidden = !faults.length;
    this.input.setAttribute("aria-invalid", faults.length > 0);
  }
}
