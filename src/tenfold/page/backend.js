// The backend that reads: this browser if there is a model beside the page, or the page's server.
//
// A backend has `model` {name, members}, `reportUrl` (or null), `privacy` (a sentence), `rules` of cells
// that it knows, `readsDocuments` (whether it takes files that the browser cannot show) and
// `read(canvas, {layout, rows, columns, rule})`, which returns {rows, columns, corners, numbers}: see
// reader/reader.js; and `width` of the picture that these are in. Of a page of a document it has
// `bitmap`, which shows it, and `pages`, their count, too; so has the error if it cannot be read.

export async function findBackend() {
  const response = await fetch("model.json"); // a static site has it, a server has not
  const isStatic = response.ok && response.headers.get("content-type")?.includes("json");
  return isStatic ? browserBackend(await response.json()) : serverBackend();
}

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
    rules: [],
    readsDocuments: false,
    async read(canvas, options) {
      const raster = canvas.rasterize();
      const image = raster.getContext("2d").getImageData(0, 0, raster.width, raster.height);
      const { width, height, data } = image;
      const page = await request({ options, pixels: { width, height, data } }, [data.buffer]);
      return { ...page, width };
    },
  };
}

async function serverBackend() {
  const model = await (await fetchApi("v1/model")).json();
  return {
    model,
    privacy: "Your drawing is read by the server of this page, which keeps nothing.",
    reportUrl: await urlIfFound("report"),
    rules: ["sudoku", "column-sums", "row-sums"],
    readsDocuments: true,
    async read(canvas, options) {
      const { picture, strokes } = canvas;
      const isFile = picture && (!strokes.length || !picture.bitmap);
      const raster = isFile ? null : canvas.rasterize();
      const body = isFile ? picture.file : await new Promise((done) => raster.toBlob(done));
      const page = isFile ? picture.page : null; // of a document
      try {
        const { width = (raster ?? picture.bitmap)?.width, ...result } = await postPicture(body, { ...options, page });
        return { ...result, width };
      } catch (error) {
        if (!page) throw error;
        const { bitmap, pages } = await postPicture(body, { layout: "single", page }); // to show it
        throw Object.assign(error, { bitmap, pages });
      }
    },
  };
}

/** Have the server read a picture, or a page of a document. */
async function postPicture(body, options) {
  const given = Object.entries(options).filter(([, value]) => value);
  const type = options.page ? "application/octet-stream" : body.type || "image/png";
  const response = await fetchApi(`v1/read?${new URLSearchParams([["explain", true], ...given])}`, {
    method: "POST", body, headers: { "Content-Type": type },
  });
  const { rows, columns, corners = null, numbers, pages, picture } = await response.json();
  const digits = numbers.flatMap((number) => number.digits);
  await Promise.all(digits.map(async (digit) => (digit.image = greysOf(await decodeImage(digit.image)))));
  return { rows, columns, corners, numbers, pages, bitmap: picture && (await decodeImage(picture.image)), width: picture?.width };
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

/** Return the bitmap of a picture in base64. */
function decodeImage(base64) {
  return createImageBitmap(new Blob([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))]));
}

/** Return the grey levels of a bitmap: {w, h, data}. */
function greysOf(bitmap) {
  const { width: w, height: h } = bitmap;
  const context = new OffscreenCanvas(w, h).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  return { w, h, data: new Uint8Array(context.getImageData(0, 0, w, h).data.filter((_, i) => i % 4 === 0)) };
}
