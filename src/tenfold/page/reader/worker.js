// The reader and its network, off the page's thread. First comes {id, accept}, then {id, layout, pixels}.

import * as ort from "../runtime/ort.wasm.min.mjs";
import { SIDE } from "./form.js";
import { opaquePixels, read } from "./reader.js";

ort.env.wasm.numThreads = 1; // more need headers that a plain web server does not send
ort.env.wasm.wasmPaths = new URL("../runtime/", import.meta.url).href;

let model;

onmessage = async ({ data: { id, accept, layout, pixels } }) => {
  try {
    if (accept !== undefined) {
      model = await load(accept);
      await warmUp();
      postMessage({ id });
    } else {
      postMessage({ id, readings: await read(opaquePixels(pixels), layout, model) });
    }
  } catch (error) {
    postMessage({ id, error: error.message });
  }
};

/** Read a stroke a few times: the first readings are slow. */
async function warmUp() {
  const [w, h] = [480, 240];
  const data = new Uint8Array(w * h).fill(255);
  for (let y = 60; y < 180; y++) data.fill(0, y * w + 230, y * w + 244);
  for (let i = 0; i < 5; i++) await read({ w, h, channels: 1, data }, "line", model);
}

async function load(accept) {
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
    accept,
    async classify(images, n) {
      const found = await session.run({ images: new ort.Tensor("uint8", images, [n, SIDE, SIDE]) });
      const members = rows(found.members).map((row) =>
        Array.from({ length: row.length / 10 }, (_, i) => row.slice(i * 10, i * 10 + 10)));
      return { probabilities: rows(found.probabilities), members };
    },
  };
}
