// The networks of a bundle in onnxruntime-web.

import { bordered } from "./image.js";

const SIZE_MULTIPLE_PX = 8; // of what a detector looks at
const BATCH = 32; // images in one pass, which bounds the memory

/** Open a bundle's networks; `ort` is onnxruntime-web.
 *
 * @param load gives the bytes of a file beside the page, or a promise of them. @param model model.json.
 */
export async function openNetworks(ort, load, model) {
  const open = async (name) => ort.InferenceSession.create(await load(name), { executionProviders: ["wasm"] });
  const single = await open("model.onnx");
  const detector = await open("detector.onnx");
  const detected = model.number_classifier === "model.onnx" ? single : await open(model.number_classifier);
  const line = model.line ? await open("line.onnx") : null;
  const crop = model.crop ? await open("crop.onnx") : null;
  let cells = null; // a promise
  return {
    /** The probabilities of the digits for each of some pictures of one digit: planes of 28 x 28 bytes. */
    classify: (images) => run(ort, single, images),
    /** The same for digits that the detector has found, and for their crops: see classification.js. */
    classifyDetected: (images) => run(ort, detected, images),
    classifyCrops: crop && ((images) => run(ort, crop, images)),
    /** The detections in a plane of bytes that are at least so certain: see detection.js. */
    detect: (grey, minObjectness) => detect(ort, detector, grey, minObjectness, (outputs, i) =>
      ({ classes: row(outputs.classes, i), box: row(outputs.boxes, i), printed: outputs.printed.data[i] })),
    /** Log-probabilities of no character and of each, at each step of crops of lines: see line-reader.js. */
    readCrops: line && ((images) => run(ort, line, images)),
    /** The cells of grids and tables: see lattice.js. Their network is opened when it is first needed. */
    async detectCells(grey, minObjectness) {
      cells ??= open("cells.onnx").catch((error) => {
        cells = null; // try again the next time
        throw error;
      });
      return detect(ort, await cells, grey, minObjectness, ({ corners }, i) => {
        const values = row(corners, i);
        return { corners: [0, 2, 4, 6].map((k) => values.slice(k, k + 2)) };
      });
    },
  };
}

/** What a detector finds that is at least so certain, the most certain first. */
async function detect(ort, session, grey, minObjectness, partsOf) {
  const [right, below] = [grey.w, grey.h].map((side) => (SIZE_MULTIPLE_PX - (side % SIZE_MULTIPLE_PX)) % SIZE_MULTIPLE_PX);
  const { w, h, data } = bordered(grey, 0, 0, right, below);
  const outputs = await session.run({ pixels: new ort.Tensor("uint8", data, [1, h, w]) });
  return Array.from(outputs.objectness.data.filter((p) => p >= minObjectness), (objectness, i) =>
    ({ objectness, ...partsOf(outputs, i) }));
}

/** The first output of a network for images {w, h, data} of one size: the values of each. */
async function run(ort, session, images) {
  const { inputNames: [input], outputNames: [output] } = session;
  const rows = [];
  for (let start = 0; start < images.length; start += BATCH) {
    const batch = images.slice(start, start + BATCH);
    const [{ w, h }] = batch;
    const data = new Uint8Array(batch.length * w * h);
    batch.forEach((image, i) => data.set(image.data, i * w * h));
    const given = { [input]: new ort.Tensor("uint8", data, [batch.length, h, w]) };
    const { data: values } = (await session.run(given))[output];
    const length = values.length / batch.length;
    rows.push(...batch.map((_, i) => Array.from(values.subarray(i * length, (i + 1) * length))));
  }
  return rows;
}

/** A row of a tensor whose last axis is a row. */
function row({ data, dims }, i) {
  const length = dims.at(-1);
  return Array.from(data.subarray(i * length, (i + 1) * length));
}
