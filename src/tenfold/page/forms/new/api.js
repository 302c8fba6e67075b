// Requests to the server.

async function request(path, document) {
  const options = document && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(document),
  };
  const response = await fetch(`api/${path}`, options).catch(() => {
    throw new Error("The server does not answer. Is `tenfold forms new` still running?");
  });
  const body = await response.json().catch(() => ({}));
  if (!response.ok && !body.faults) throw new Error(body.error ?? `The server answered with ${response.status}.`);
  return body;
}

export const load = () => request("template");
export const check = (document) => request("check", document);
export const write = (document) => request("template", document);
export const pictureOf = (page) => `api/pages/${page}`;
