// The page: connects the drawing canvas, the backend that reads it, and what is shown.

import { findBackend, setToken } from "./backend.js";
import { DrawingCanvas } from "./canvas.js";
import { CellTable, hasCells } from "./cells.js";
import { addKeeping, download, keepDigit } from "./keeping.js";
import { outlinesOfNumbers } from "./outlines.js";
import { digitCard, isCorrected, numberItems, shownDigits, summary } from "./result.js";
import { addSources } from "./sources.js";
import { showTabs } from "./tabs.js";

const READ_INTERVAL_MS = 60; // between two readings while the pen moves
const SLOW_MS = 400; // a reading that takes longer is announced
const MAX_LARGE = 3; // numbers that are shown in large digits

const byId = (id) => document.getElementById(id);
export const canvas = new DrawingCanvas(byId("canvas"), requestReading, select);
const cells = new CellTable(byId("cells"), { select: () => select(0), edit: update, leave: keepCell });
const labels = new Map(); // the user's corrections of digits outside of cells, by the pixels of their images
let backend = null;
const NOTHING = { rows: null, columns: null, corners: null, numbers: [] };
export let page = NOTHING; // what was read
let selected = 0; // of the digits that are shown as cards
let pendingReading = null; // a promise
let changed = false; // whether the canvas has changed since the last reading began

const hasShape = (layout) => layout === "grid" || layout === "table";
const keyOf = ({ image }) => `${image.w}:${image.data}`;

function labelOf(digit) {
  if (!hasCells(page)) return labels.get(keyOf(digit));
  return cells.labels(cells.selected)[cells.selected.number.digits.indexOf(digit)];
}

/** The digits that have cards: of all numbers, or of the selected cell. */
function digitsWithCards() {
  if (!hasCells(page)) return shownDigits(page.numbers);
  return shownDigits(cells.selected?.number ? [cells.selected.number] : []);
}

// Reading

function requestReading() {
  if (canvas.empty) cells.corrections.clear();
  showControls();
  changed = true;
  pendingReading ??= readCanvas().finally(() => (pendingReading = null));
}

/** Wait until everything on the canvas has been read. */
export async function readingDone() {
  while (pendingReading) await pendingReading;
}

/** What is to be read, and how many rows and columns there are, if the user says so. */
function readOptions() {
  const layout = byId("layout").value;
  if (!hasShape(layout)) return { layout };
  const count = (id) => byId(id).valueAsNumber || null;
  return { layout, rows: count("rows"), columns: count("columns"), rule: byId("rule").value };
}

async function readCanvas() {
  while (changed && backend) {
    changed = false;
    const slow = setTimeout(() => setStatus("Reading …"), SLOW_MS);
    try {
      const start = performance.now();
      const options = readOptions();
      canvas.detailed = hasShape(options.layout);
      const place = canvas.empty || canvas.picture ? null : canvas.place();
      const result = canvas.empty ? NOTHING : await backend.read(canvas, options);
      const milliseconds = performance.now() - start;
      if (changed && !canvas.drawing && !canvas.empty) continue; // outdated already
      showError(null);
      if (result.bitmap && canvas.picture) canvas.showPage(result);
      showPage(canvas.empty ? NOTHING : { ...result, layout: options.layout, place }, milliseconds);
    } catch (error) {
      if (changed && !canvas.drawing) continue;
      if (error.bitmap && canvas.picture) canvas.showPage(error);
      else if ([413, 415, 422].includes(error.status) && canvas.picture?.page === 1 && !canvas.picture.bitmap) canvas.picture = null;
      showPage(NOTHING);
      if (!canvas.empty) setStatus("");
      showError(error);
    } finally {
      clearTimeout(slow);
    }
    if (canvas.drawing) await new Promise((done) => setTimeout(done, READ_INTERVAL_MS));
  }
}

function showPage(newPage, milliseconds) {
  const count = digitsWithCards().length;
  page = newPage;
  const table = hasCells(page);
  for (const id of ["cells", "cell-tools", "key"]) byId(id).hidden = !table;
  byId("numbers").hidden = table;
  byId("draw").classList.toggle("with-cells", table);
  if (table) cells.show({ ...page, name: canvas.picture?.page }, canvas.rasterize(), page.layout === "grid");
  else cells.hide();
  if (digitsWithCards().length !== count) selected = 0;
  byId("draw").dataset.milliseconds = milliseconds?.toFixed(1) ?? "";
  byId("duration").textContent = milliseconds && !canvas.empty ? `(${Math.round(milliseconds)} ms)` : "";
  showControls();
  update();
}

/** Show what was read, with the user's corrections and what is selected. */
function update() {
  byId("numbers").classList.toggle("many", page.numbers.length > MAX_LARGE);
  byId("numbers").replaceChildren(...(hasCells(page) ? [] : numberItems(page.numbers, labelOf)));
  showCards();
  showOutlines();
  if (canvas.empty) setStatus(backend?.privacy ?? "");
  else if (!canvas.drawing) setStatus(hasCells(page) ? cells.summary() : summary(page.numbers, labelOf));
}

function showCards() {
  const focused = document.activeElement?.closest?.("#digits li");
  const position = focused ? [...byId("digits").children].indexOf(focused) : -1;
  const shown = digitsWithCards();
  byId("digits").replaceChildren(...shown.map((one, i) => digitCard(one, {
    label: labelOf(one.digit),
    selected: i === selected,
    onSelect: () => select(i),
    onCorrect: correct,
  })));
  byId("legend").hidden = !shown.length;
  if (position < 0) return;
  byId("digits").children[Math.min(position, shown.length - 1)]?.querySelector("button").focus();
}

/** Outline cells, and numbers on a picture. */
function showOutlines() {
  const { width, place } = page;
  if (hasCells(page)) {
    canvas.show({ outlines: cells.outlines(), selected: cells.selected, width, place });
    return;
  }
  const outlines = canvas.picture ? outlinesOfNumbers(page.numbers, (number) => isCorrected(number, labelOf)) : [];
  const chosen = outlines.length > 1 ? outlines.findLast(({ target }) => target <= selected).target : null;
  canvas.show({ outlines, selected: chosen, width, place });
}

function showControls() {
  byId("hint").hidden = !canvas.empty;
  byId("undo").disabled = byId("clear").disabled = canvas.empty;
  const { page: number, pages } = canvas.picture ?? {};
  byId("pages").hidden = !(pages > 1);
  byId("page").textContent = `Page ${number} of ${pages}`;
  byId("previous").disabled = number === 1;
  byId("next").disabled = number === pages;
}

function setStatus(text) {
  if (byId("status").textContent !== text) byId("status").textContent = text;
}

function showError(error, prefix = "Not read") {
  byId("error").hidden = !error;
  byId("error").textContent = error ? `${prefix}: ${error.message}` : "";
  if (error?.status === 401) byId("token-form").hidden = false;
}

// Corrections

/** Select a digit by its place, or a cell. */
function select(target) {
  if (typeof target === "object") {
    target.input.focus();
    return;
  }
  selected = target;
  update();
}

function correct(label) {
  const { digit, number } = digitsWithCards()[selected] ?? {};
  if (!digit) return;
  if (hasCells(page)) {
    cells.setDigit(selected, label);
    return;
  }
  labels.set(keyOf(digit), label);
  update();
  keepDigit(digit, label, number.printed === null);
}

/** Keep the digits of a cell that the user has corrected, if as many were read. */
function keepCell(cell) {
  const given = cells.labels(cell);
  cell.number?.digits.forEach((digit, i) => {
    const isRight = given[i] === digit.digit && cell.number.accepted;
    keepDigit(digit, isRight ? undefined : given[i], false);
  });
}

// Files

async function openFile(file) {
  if (!backend) return showError(new Error("not connected"));
  const isDocument = backend.readsDocuments && /pdf|tiff/.test(file.type); // of which browsers show one page
  const bitmap = isDocument ? null : await createImageBitmap(file).catch(() => null);
  if (!bitmap && !backend.readsDocuments) {
    showError(new Error(`this browser cannot show ${file.name || "this"} as a picture. It reads PNG, JPEG, WebP, `
      + "GIF and BMP; `tenfold serve` also reads PDF and TIFF"));
    return;
  }
  cells.corrections.clear();
  openPage({ file, bitmap, page: bitmap ? null : 1 });
}

function openPage(picture) {
  showPage(NOTHING);
  canvas.setPicture(picture);
}

function turnPage(by) {
  const { file, page: number, pages } = canvas.picture;
  openPage({ file, bitmap: null, page: number + by, pages });
}

function csvName() {
  const { file, page: number, pages } = canvas.picture ?? {};
  const name = file?.name?.replace(/[.][^.]*$/, "") || "cells";
  return `${name}${pages > 1 ? `-page-${number}` : ""}.csv`;
}

// Controls

function addListeners() {
  const on = (id, event, listener) => byId(id).addEventListener(event, listener);
  on("undo", "click", () => canvas.undo());
  on("clear", "click", () => canvas.clear());
  on("pen", "input", ({ target }) => (canvas.penWidth = Number(target.value)));
  on("layout", "change", ({ target }) => {
    byId("shape").hidden = !hasShape(target.value);
    requestReading();
  });
  for (const id of ["rows", "columns", "rule"]) {
    on(id, "change", ({ target }) => target.reportValidity() && requestReading());
  }
  on("previous", "click", () => turnPage(-1));
  on("next", "click", () => turnPage(1));
  on("next-unsure", "click", () => cells.selectNextUnsure());
  on("save", "click", () => download(cells.csv(), csvName(), "text/csv"));
  on("token-form", "submit", (event) => {
    event.preventDefault();
    setToken(byId("token").value);
    connect();
  });
  document.addEventListener("keydown", onKey);
  addSources(openFile, showError);
  addKeeping(showError);
}

function onKey(event) {
  if (event.target.matches("input:not([type=checkbox], [type=range]), select, dialog *")) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
    event.preventDefault();
    if (!canvas.empty) canvas.undo();
  } else if (event.ctrlKey || event.metaKey || event.altKey) {
    return;
  } else if (/^[0-9]$/.test(event.key)) {
    correct(Number(event.key));
  } else if (event.key === "Delete" && !event.target.closest(".result, .digits")) {
    canvas.clear();
  }
}

async function connect() {
  try {
    backend = await findBackend();
  } catch (error) {
    showError(error);
    return;
  }
  showError(null);
  byId("token-form").hidden = true;
  const { name, members } = backend.model;
  byId("model").textContent = `${name}, ${members === 1 ? "one network" : `${members} networks`}`;
  byId("rule-choice").hidden = !backend.rules.length;
  if (backend.readsDocuments) byId("file").accept += ",.pdf,.tif,.tiff,.heic,.heif";
  if (backend.reportUrl && byId("tabs").hidden) showTabs(backend.reportUrl);
  byId("draw").dataset.ready = "yes";
  byId("layout").dispatchEvent(new Event("change")); // a browser may have restored another layout
}

addListeners();
connect();
