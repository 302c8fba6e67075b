// Who reads: this browser, where a model lies beside the page, or the server that the page is from.
//
// A backend has `model` {name, members, rejection_threshold}, `layouts`, `report` (an address or null), `privacy`
// (a sentence) and `read(sheet, layout)`, which gives readings: see reader/reader.js.

export async function findBackend() {
  const local = await fetch("model.json");
  const found = local.ok && local.headers.get("content-type")?.includes("json");
  return found ? here(await local.json()) : there();
}

/** Read in a worker of this browser. */
async function here(model) {
  const worker = new Worker("reader/worker.js", { type: "module" });
  const waiting = new Map();
  const ask = (message, transfer = []) =>
    new Promise((resolve, reject) => {
      const id = waiting.size ? Math.max(...waiting.keys()) + 1 : 0;
      waiting.set(id, { resolve, reject });
      worker.postMessage({ id, ...message }, transfer);
    });
  worker.onmessage = ({ data: { id, error, readings } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve(readings);
  };
  worker.onerror = () => {
    for (const { reject } of waiting.values()) reject(new Error("this browser cannot run the reader"));
    waiting.clear();
  };
  await ask({ accept: model.rejection_threshold });
  return {
    model,
    layouts: ["line", "single"],
    privacy: "It is read in this browser; nothing is sent anywhere.",
    report: model.report ?? null,
    async read(sheet, layout) {
      const raster = sheet.pixels();
      const pixels = raster.getContext("2d").getImageData(0, 0, raster.width, raster.height);
      const { width, height, data } = pixels;
      return ask({ layout, pixels: { width, height, data } }, [data.buffer]);
    },
  };
}

/** Let the server read. */
async function there() {
  const model = await (await call("v1/model")).json();
  return {
    model,
    layouts: ["line", "single", "grid"],
    privacy: "It is read by the server that this page came from, which keeps nothing.",
    report: await existing("report"),
    async read(sheet, layout) {
      const { picture, strokes } = sheet;
      const untouched = picture && !strokes.length;
      const body = untouched ? picture.file : await new Promise((done) => sheet.pixels().toBlob(done));
      const query = layout === "line" ? "" : `&${layout}=true`;
      const answer = await call(`v1/read?explain=true${query}`, {
        method: "POST", body, headers: { "Content-Type": body.type || "image/png" },
      });
      const [result] = (await answer.json()).results;
      if (result.error) throw new Error(result.error);
      return Promise.all(result.readings.map(async (one) => ({ ...one, image: await decoded(one.image) })));
    },
  };
}

let token = null; // for this visit alone

/** Show the server this token from now on. */
export function useToken(given) {
  token = given;
}

/** Ask the server; an error has its line, and `status`. */
async function call(address, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(address, { ...options, headers });
  } catch {
    throw new Error("the server does not answer");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  const error = new Error(told.error ?? `the server answered ${answer.status}`);
  throw Object.assign(error, { status: answer.status });
}

async function existing(address) {
  const answer = await fetch(address).catch(() => null);
  answer?.body?.cancel();
  return answer?.ok ? address : null;
}

/** A grey PNG in base64 as bytes. */
async function decoded(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height).data.filter((_, i) => i % 4 === 0);
}
