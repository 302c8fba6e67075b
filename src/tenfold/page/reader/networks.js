// The networks of a bundle in onnxruntime-web.

import { bordered } from "./image.js";
import { SIDE } from "./normalization.js";

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
  let cells = null; // a promise
  return {
    /** The probabilities of the digits for each of some pictures of one digit: images of 784 bytes. */
    classify: (images) => classify(ort, single, images),
    /** The same for digits that the detector has found. */
    classifyDetected: (images) => classify(ort, detected, images),
    /** The detections in a plane of bytes that are at least so certain: see detection.js. */
    detect: (grey, minObjectness) => detect(ort, detector, grey, minObjectness, (outputs, i) =>
      ({ classes: row(outputs.classes, i), box: row(outputs.boxes, i), printed: outputs.printed.data[i] })),
    /** Log-probabilities of no character and of each, at each step of crops of lines: see line-reader.js. */
    readCrops: line && ((crops) => readCrops(ort, line, crops)),
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

async function readCrops(ort, session, crops) {
  const [{ w, h }] = crops;
  const data = new Uint8Array(crops.length * w * h);
  crops.forEach((crop, i) => data.set(crop.data, i * w * h));
  const { log_probabilities: steps } = await session.run({ pixels: new ort.Tensor("uint8", data, [crops.length, h, w]) });
  const count = steps.dims[1];
  return crops.map((_, i) => Array.from({ length: count }, (_, t) => row(steps, i * count + t)));
}

async function classify(ort, session, images) {
  const rows = [];
  for (let start = 0; start < images.length; start += BATCH) {
    const batch = images.slice(start, start + BATCH);
    const data = new Uint8Array(batch.length * SIDE * SIDE);
    batch.forEach((image, i) => data.set(image, i * image.length));
    const { probabilities } = await session.run({ images: new ort.Tensor("uint8", data, [batch.length, SIDE, SIDE]) });
    rows.push(...batch.map((_, i) => row(probabilities, i)));
  }
  return rows;
}

/** A row of a tensor whose last axis is a row. */
function row({ data, dims }, i) {
  const length = dims.at(-1);
  return Array.from(data.subarray(i * length, (i + 1) * length));
}
