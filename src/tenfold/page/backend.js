// The backend that reads: this browser if there is a model beside the page, or the page's server.
//
// A backend has `model` {name, members}, `reportUrl` (or null), `privacy` (a sentence) and
// `read(canvas, layout)`, which returns {rows, columns, numbers}: see reader/reader.js.

export async function findBackend() {
  const response = await fetch("model.json"); // a static site has it, a server has not
  const isStatic = response.ok && response.headers.get("content-type")?.includes("json");
  return isStatic ? browserBackend(await response.json()) : serverBackend();
}

/** Read in a worker of this browser. */
async function browserBackend(model) {
  const worker = new Worker("reader/worker.js", { type: "module" });
  const pending = new Map();
  let nextId = 0;
  const request = (message, transfer = []) =>
    new Promise((resolve, reject) => {
      const id = nextId++;
      pending.set(id, { resolve, reject });
      worker.postMessage({ id, ...message }, transfer);
    });
  worker.onmessage = ({ data: { id, error, page } }) => {
    const { resolve, reject } = pending.get(id);
    pending.delete(id);
    if (error) reject(new Error(error));
    else resolve(page);
  };
  worker.onerror = () => {
    for (const { reject } of pending.values()) reject(new Error("this browser cannot run the reader"));
    pending.clear();
  };
  await request({ model });
  return {
    model,
    privacy: "Your drawing is read in this browser; nothing is sent anywhere.",
    reportUrl: model.report ?? null,
    async read(canvas, layout) {
      const raster = canvas.rasterize();
      const image = raster.getContext("2d").getImageData(0, 0, raster.width, raster.height);
      const { width, height, data } = image;
      return request({ layout, pixels: { width, height, data } }, [data.buffer]);
    },
  };
}

/** Send the drawing to the server of this page. */
async function serverBackend() {
  const model = await (await fetchApi("v1/model")).json();
  return {
    model,
    privacy: "Your drawing is read by the server of this page, which keeps nothing.",
    reportUrl: await urlIfFound("report"),
    async read(canvas, layout) {
      const { picture, strokes } = canvas;
      const isFile = picture && !strokes.length;
      const body = isFile ? picture.file : await new Promise((done) => canvas.rasterize().toBlob(done));
      const response = await fetchApi(`v1/read?explain=true&layout=${layout}`, {
        method: "POST", body, headers: { "Content-Type": body.type || "image/png" },
      });
      const { rows, columns, numbers } = await response.json();
      const digits = numbers.flatMap((number) => number.digits);
      await Promise.all(digits.map(async (digit) => (digit.image = await decodeImage(digit.image))));
      return { rows, columns, numbers };
    },
  };
}

let token = null; // forgotten when the page is closed

/** Send this token with every request from now on. */
export function setToken(value) {
  token = value;
}

/** Send a request; an error has the server's message and `status`. */
async function fetchApi(url, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(url, { ...options, headers });
  } catch {
    throw new Error("the server does not answer");
  }
  if (response.ok) return response;
  const content = await response.json().catch(() => ({}));
  const error = new Error(content.error ?? `the server answered ${response.status}`);
  throw Object.assign(error, { status: response.status });
}

async function urlIfFound(url) {
  const response = await fetch(url).catch(() => null);
  response?.body?.cancel();
  return response?.ok ? url : null;
}

/** Return the grey levels of a PNG in base64: {w, h, data}. */
async function decodeImage(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const { width: w, height: h } = bitmap;
  const context = new OffscreenCanvas(w, h).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  return { w, h, data: new Uint8Array(context.getImageData(0, 0, w, h).data.filter((_, i) => i % 4 === 0)) };
}
