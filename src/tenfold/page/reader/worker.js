// The reader and its network, off the page's thread. Messages: first {id, rejectionThreshold}, then
// {id, layout, pixels}.

import * as ort from "../runtime/ort.wasm.min.mjs";
import { SIDE } from "./normalization.js";
import { opaquePixels, read } from "./reader.js";

ort.env.wasm.numThreads = 1; // more need headers that a plain web server does not send
ort.env.wasm.wasmPaths = new URL("../runtime/", import.meta.url).href;

let model;

onmessage = async ({ data: { id, rejectionThreshold, layout, pixels } }) => {
  try {
    if (rejectionThreshold !== undefined) {
      model = await load(rejectionThreshold);
      await warmUp();
      postMessage({ id });
    } else {
      postMessage({ id, readings: await read(opaquePixels(pixels), layout, model) });
    }
  } catch (error) {
    postMessage({ id, error: error.message });
  }
};

/** Read a stroke five times: the first readings are slow. */
async function warmUp() {
  const [w, h] = [480, 240];
  const data = new Uint8Array(w * h).fill(255);
  for (let y = 60; y < 180; y++) data.fill(0, y * w + 230, y * w + 244);
  for (let i = 0; i < 5; i++) await read({ w, h, channels: 1, data }, "line", model);
}

async function load(rejectionThreshold) {
  const file = await fetch(new URL("../model.onnx", import.meta.url));
  if (!file.ok) throw new Error("model.onnx is missing beside the page");
  const session = await ort.InferenceSession.create(new Uint8Array(await file.arrayBuffer()), {
    executionProviders: ["wasm"],
  });
  const rows = ({ data, dims }) =>
    Array.from({ length: dims[0] }, (_, i) => {
      const size = data.length / dims[0];
      return Array.from(data.subarray(i * size, (i + 1) * size));
    });
  return {
    rejectionThreshold,
    async classify(images, n) {
      const outputs = await session.run({ images: new ort.Tensor("uint8", images, [n, SIDE, SIDE]) });
      const members = rows(outputs.members).map((row) =>
        Array.from({ length: row.length / 10 }, (_, i) => row.slice(i * 10, i * 10 + 10)));
      return { probabilities: rows(outputs.probabilities), members };
    },
  };
}
