// The reader and its networks, off the page's thread. Messages: first {id, model}, which is
// model.json, then {id, options, pixels}.

import * as ort from "../runtime/ort.wasm.min.mjs";
import { openNetworks } from "./networks.js";
import { opaquePixels, read } from "./reader.js";

ort.env.wasm.numThreads = 1; // more need headers that a plain web server does not send
ort.env.wasm.wasmPaths = new URL("../runtime/", import.meta.url).href;

let model;
let networks;

onmessage = async ({ data: { id, model: given, options, pixels } }) => {
  try {
    if (given) {
      model = given;
      networks = await openNetworks(ort, load, model);
      await warmUp();
      postMessage({ id });
    } else {
      postMessage({ id, page: await read(opaquePixels(pixels), options, networks, model) });
    }
  } catch (error) {
    postMessage({ id, error: error.message });
  }
};

/** Read a stroke a few times: the first readings are slow. */
async function warmUp() {
  const [w, h] = [120, 80];
  const data = new Uint8Array(w * h).fill(255);
  for (let y = 20; y < 60; y++) data.fill(0, y * w + 58, y * w + 62);
  for (const layout of ["numbers", "single", "numbers"]) await read({ w, h, channels: 1, data }, { layout }, networks, model);
}

async function load(name) {
  const file = await fetch(new URL(`../${name}`, import.meta.url));
  if (!file.ok) throw new Error(`${name} is missing beside the page`);
  return new Uint8Array(await file.arrayBuffer());
}
