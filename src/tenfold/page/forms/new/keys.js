// The keys of a field and of the form, in the order in which they are shown.

const number = (key, label, attributes = {}) => ({ key, label, type: "number", attributes: { step: "any", ...attributes } });
const mm = (part, label) => ({ key: "box", part, label, type: "number", attributes: { step: 0.5, min: 0 } });

// What is shown for a value of the template that says little by itself.
const KINDS = { digits: "digits: a known count", grid: "grid: a table of numbers", mark: "mark: a box to tick" };
const REGISTRATIONS = { blank: "blank: its own print", marks: "marks: black squares", aruco: "aruco: ArUco markers" };

export const keysOfField = (kinds) => [
  { key: "name", label: "Name: the column of the table", type: "text", wide: true, attributes: { maxLength: 60, spellcheck: false } },
  { key: "kind", label: "Kind", type: "select", options: kinds, names: KINDS },
  number("length", "Digits", { step: 1, min: 1, max: 40 }),
  number("decimals", "Digits after the point", { step: 1, min: 0, max: 9, placeholder: "0" }),
  { key: "format", label: "Format", type: "text", attributes: { placeholder: "DD.MM.YYYY" } },
  number("rows", "Rows", { step: 1, min: 1, max: 100 }),
  number("columns", "Columns", { step: 1, min: 1, max: 100 }),
  { key: "sign", label: "May be negative", type: "checkbox" },
];

export const keysOfPlace = (pages) => [
  ...(pages > 1 ? [number("page", "Page", { step: 1, min: 1, max: pages })] : []),
  mm(0, "Left, mm"),
  mm(1, "Top, mm"),
  mm(2, "Width, mm"),
  mm(3, "Height, mm"),
];

export const keysOfRules = (checks) => [
  { key: "required", label: "Must not be empty", type: "checkbox" },
  { key: "unique", label: "Unique among documents", type: "checkbox" },
  number("min", "Least (date: year)"),
  number("max", "Most (date: year)"),
  { key: "check", label: "Check digit", type: "select", options: ["", ...checks] },
  { key: "pattern", label: "Pattern, a regular expression", type: "text", wide: true, attributes: { spellcheck: false } },
  { key: "values", label: "The only possible values, with commas between them", type: "list", wide: true },
  { key: "sum_of", label: "Sum of these fields, with commas between them", type: "list", wide: true },
];

export const KEYS_OF_FORM = [
  { key: "name", label: "Name of the form", type: "text", wide: true, attributes: { maxLength: 100 } },
  { key: "registration", label: "A page is found by", type: "select", options: Object.keys(REGISTRATIONS), names: REGISTRATIONS },
  number("min_probability", "Review below this probability", { step: 0.001, min: 0, max: 1, placeholder: "0.99" }),
];

export const KEYS_OF_PAGE = [
  number("width_mm", "Width of the page, mm", { step: 0.5, min: 1 }),
  number("height_mm", "Height of the page, mm", { step: 0.5, min: 1 }),
];
