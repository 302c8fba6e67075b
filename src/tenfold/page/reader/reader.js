// Any picture in, numbers out, as tenfold's Reader reads it. No sheet is looked for.

import { downscale } from "./foreground.js";
import { readGrid } from "./grid.js";
import { readNumbers } from "./number-reader.js";
import { argmax } from "./numbers.js";
import { readSingle, scaleBox } from "./single-digit.js";

const MIDDLE_GREY = 127;
const SMALL_SIDE_PX = 256;
const MIN_OPAQUE_WITH_OWN_PAPER = 0.9; // share of pixels

/** Read a picture {w, h, channels, data}: bytes, grey (1 channel) or RGB (3).
 *
 * @param options {layout, rows, columns}, see Reader.read in reader.py.
 * @param networks see `openNetworks`. @param model model.json.
 * @returns {rows, columns, corners, numbers}, the first three null unless there are cells, the numbers in
 *   reading order, as the service gives them with ?explain; `image` of a digit is a plane.
 */
export async function read(picture, options, networks, model) {
  const { layout } = options;
  if (layout === "grid" || layout === "table") return readGrid(picture, options, networks, model);
  const numbers = await readWithoutCells(picture, layout, networks, model);
  return { rows: null, columns: null, corners: null, numbers };
}

async function readWithoutCells(picture, layout, networks, model) {
  const readOne = () => readSingle(picture, networks, model);
  if (layout === "single") return checked(await readOne(), picture, networks, model);
  const { found, numbers } = await readNumbers(picture, networks, model.reader);
  if (found.length !== 1 || numbers.some(({ accepted }) => accepted)) return numbers;
  // Nothing else is there, so the classifier may judge the picture.
  const [single] = await readOne();
  const digit = String(argmax(found[0].classes));
  return single?.accepted && single.text === digit ? [single] : numbers;
}

/** Look again with the detector, if rules may have kept a digit from acceptance; see reader.py. */
async function checked(single, picture, networks, model) {
  if (single.every(({ accepted, box }) => accepted || !isCut(box, picture))) return single;
  const [small, factor] = downscale(picture, SMALL_SIDE_PX);
  const { numbers: [number, ...others] } = await readNumbers(small, networks, model.reader);
  if (others.length || !number?.accepted || number.text.length !== 1) return single;
  const scaled = (one) => ({ ...one, box: scaleBox(one.box, 1 / factor, picture) });
  return [{ ...scaled(number), digits: number.digits.map(scaled) }];
}

/** Whether a box reaches an edge of the picture. */
const isCut = ([left, top, right, bottom], { w, h }) => left === 0 || top === 0 || right === w || bottom === h;

/** Pixels without transparency: it becomes white, or black if the opaque pixels are mostly light. */
export function opaquePixels({ width: w, height: h, data: rgba }) {
  let [opaque, light, clear, colour] = [0, 0, false, false];
  for (let i = 0; i < rgba.length; i += 4) {
    if (rgba[i + 3] < 255) clear = true;
    if (rgba[i] !== rgba[i + 1] || rgba[i] !== rgba[i + 2]) colour = true;
    if (rgba[i + 3] > MIDDLE_GREY) {
      opaque++;
      light += rgba[i] + rgba[i + 1] + rgba[i + 2];
    }
  }
  // A picture that is opaque nearly everywhere brings its own paper.
  const ownPaper = opaque / (w * h) >= MIN_OPAQUE_WITH_OWN_PAPER;
  const dark = clear && opaque && !ownPaper && light / (3 * opaque) > MIDDLE_GREY;
  const channels = colour ? 3 : 1;
  const data = new Uint8Array(w * h * channels);
  for (let i = 0, j = 0; i < rgba.length; i += 4) {
    const alpha = rgba[i + 3] / 255;
    const paper = (dark ? 0 : 255) * (1 - alpha);
    for (let c = 0; c < channels; c++) data[j++] = Math.round(rgba[i + c] * alpha + paper);
  }
  return { w, h, channels, data };
}
