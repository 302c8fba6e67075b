// The cells of a grid or a table: what was read in them and the user's corrections, shown as a table.
//
// A cell is {row, column, number, corners, key, td, input}: `number` is null if nothing was read in it,
// `corners` are four positions in the picture, clockwise from top left.

import { element, verdictOfNumber } from "./result.js";
import { drawCells, shownSizes } from "./straightened.js";

const MOVES = { // rows and columns by which a key moves
  ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Enter: [1, 0],
};
const MAX_CHARACTERS = 20;

export const hasCells = ({ rows }) => rows !== null;

/** The cells of a page, row by row, without what shows them. */
function cellsOf({ rows, columns, corners, numbers, name }) {
  const cells = Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (__, column) => ({
    row, column, number: null,
    corners: [corners[row][column], corners[row][column + 1], corners[row + 1][column + 1], corners[row + 1][column]],
  })));
  for (const number of numbers) cells[number.row][number.column].number = number;
  for (const cell of cells.flat()) cell.key = [name, rows, columns, cell.row, cell.column, cell.number?.box].join();
  return cells;
}

export class CellTable {
  /** @param parent of the table. @param on {select, edit, leave}: called with a cell; `leave` when it has been edited. */
  constructor(parent, on) {
    this.parent = parent;
    this.on = on;
    this.corrections = new Map(); // texts by the keys of cells
    this.hide();
  }

  hide() {
    this.rows = [];
    this.selected = null;
    this.parent.replaceChildren();
  }

  /** Show the cells of a page.
   *
   * @param page see reader/reader.js; and `width` of the picture that was read, and `name`, which tells it
   *   from other pages of the same document.
   * @param picture a canvas of what was read, in any size. @param oneDigit whether a cell holds no more.
   */
  show(page, picture, oneDigit) {
    const sizes = shownSizes(page.corners);
    this.rows = cellsOf(page);
    this.selected = null;
    for (const cell of this.all) this.build(cell, sizes, oneDigit);
    const canvas = element("canvas");
    const table = element("table", {}, ...this.rows.map((row) => element("tr", {}, ...row.map(({ td }) => td))));
    this.parent.replaceChildren(element("div", {}, canvas, table));
    const scale = picture.width / page.width;
    const placed = this.all.map(({ td, row, corners: around }) => ({
      corners: around.map((corner) => corner.map((at) => at * scale)),
      box: [td.offsetLeft, td.offsetTop, td.offsetWidth, sizes.heights[row]],
    }));
    drawCells(canvas, placed, picture, { width: table.offsetWidth, height: table.offsetHeight });
  }

  build(cell, { widths, heights }, oneDigit) {
    const input = element("input", {
      inputMode: oneDigit ? "numeric" : "decimal", autocomplete: "off", size: 1, maxLength: oneDigit ? 1 : MAX_CHARACTERS,
    });
    const td = element("td", {}, input);
    td.style.minWidth = `${widths[cell.column]}px`; // the table is as wide as its columns
    td.style.paddingTop = `${heights[cell.row]}px`; // the picture of the cell
    Object.assign(cell, { td, input });
    const typed = oneDigit ? /^[0-9]*$/ : /^[-0-9.,/:]*$/;
    input.addEventListener("beforeinput", (event) => {
      if (event.data && !typed.test(event.data)) event.preventDefault();
    });
    input.addEventListener("input", () => this.setText(cell, input.value.replaceAll(",", ".")));
    input.addEventListener("change", () => this.on.leave(cell));
    input.addEventListener("focus", () => this.select(cell));
    input.addEventListener("keydown", (event) => this.onKey(cell, event));
    td.addEventListener("click", () => {
      input.focus();
      input.select();
    });
    this.showCell(cell);
  }

  onKey(cell, event) {
    const { key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === "Escape" || key === "Delete") {
      this.setText(cell, key === "Delete" ? "" : undefined);
      cell.input.select();
      this.on.leave(cell);
    } else if (MOVES[key]) {
      const [down, right] = MOVES[key].map((step) => (key === "Enter" && event.shiftKey ? -step : step));
      this.rows[cell.row + down]?.[cell.column + right]?.input.focus();
    } else {
      return;
    }
    event.preventDefault();
  }

  get all() {
    return this.rows.flat();
  }

  /** What is in a cell: the user's correction, or what was read. */
  text(cell) {
    return this.corrections.get(cell.key) ?? cell.number?.text ?? "";
  }

  /** "corrected", "empty", "accepted" or "unsure". */
  state(cell) {
    if (this.corrections.has(cell.key)) return "corrected";
    if (!cell.number) return "empty";
    return cell.number.accepted ? "accepted" : "unsure";
  }

  /** Correct a cell; undefined takes what was read. The same text confirms what was not accepted. */
  setText(cell, text) {
    const { number } = cell;
    const isSame = number ? number.accepted && text === number.text : !text;
    if (text !== undefined && !isSame) this.corrections.set(cell.key, text);
    else this.corrections.delete(cell.key);
    this.showCell(cell);
    this.on.edit(cell);
  }

  /** The user's correction of each digit of a cell: "" if it was emptied; undefined unless as many digits were read. */
  labels(cell) {
    const text = this.corrections.get(cell.key);
    const digits = text?.match(/[0-9]/g) ?? [];
    const all = cell.number?.digits ?? [];
    return all.map((_, i) => (text === "" ? text : digits.length === all.length ? Number(digits[i]) : undefined));
  }

  /** Correct one digit of the selected cell. */
  setDigit(index, digit) {
    let next = 0;
    const text = [...this.text(this.selected)].map((character) =>
      (/[0-9?]/.test(character) && next++ === index ? digit : character)).join("");
    this.setText(this.selected, text);
    this.on.leave(this.selected);
  }

  showCell(cell) {
    const { row, column, number, td, input } = cell;
    const [text, state] = [this.text(cell), this.state(cell)];
    if (input.value !== text) input.value = text;
    td.className = state;
    td.classList.toggle("selected", cell === this.selected);
    const verdict = { corrected: "corrected by you", empty: "empty", unsure: number && verdictOfNumber(number) }[state];
    const name = `Row ${row + 1}, column ${column + 1}`;
    input.setAttribute("aria-label", verdict ? `${name}, ${verdict}` : name);
    const kind = typeof number?.printed !== "number" ? "" : number.printed > 0.5 ? ", printed" : ", handwritten";
    td.title = (verdict ?? (number ? verdictOfNumber(number) : "")) + kind;
  }

  select(cell) {
    this.selected?.td.classList.remove("selected");
    this.selected = cell;
    cell.td.classList.add("selected");
    cell.input.select();
    this.on.select(cell);
  }

  /** Go to the next cell that is not sure, from the selected one on, then from the first. */
  selectNextUnsure() {
    const all = this.all;
    const start = all.indexOf(this.selected) + 1;
    [...all.slice(start), ...all.slice(0, start)].find((cell) => this.state(cell) === "unsure")?.input.focus();
  }

  /** Outlines of the cells, for outlines.js. */
  outlines() {
    return this.all.map((cell) => ({ corners: cell.corners, state: this.state(cell), target: cell }));
  }

  /** Comma-separated values, with the user's corrections. */
  csv() {
    return this.rows.map((row) => `${row.map((cell) => this.text(cell)).join(",")}\r\n`).join("");
  }

  count(state) {
    return this.all.filter((cell) => this.state(cell) === state).length;
  }

  /** All in one sentence, which screen readers announce. */
  summary() {
    const [unsure, corrected] = ["unsure", "corrected"].map((state) => this.count(state));
    const counted = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
    const numbers = counted(this.all.filter((cell) => this.text(cell)).length, "number");
    return `Read ${numbers} in ${counted(this.rows.length, "row")} and ${counted(this.rows[0].length, "column")}`
      + (unsure ? `; not sure of ${unsure}` : "") + (corrected ? `; ${corrected} corrected by you` : "");
  }
}
