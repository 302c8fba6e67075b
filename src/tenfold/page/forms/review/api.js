// Requests to the server; each has the person's name, each answer has the progress.

export class Api {
  sent = 0;
  latest = 0; // of the requests whose progress has been shown

  constructor(who, onProgress) {
    Object.assign(this, { who, onProgress });
  }

  async post(path, content = {}) {
    const number = ++this.sent;
    const response = await fetch(`api/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ who: this.who, ...content }),
    }).catch(() => {
      throw new Error("The server does not answer. Is `tenfold forms review` still running?");
    });
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(body.error ?? `The server answered with ${response.status}.`);
    if (number > this.latest) this.onProgress(body.progress); // answers may overtake each other
    this.latest = Math.max(this.latest, number);
    return body;
  }

  fields = (count, sample) => this.post("fields", { count, sample });
  review = ({ document, field }, value) => this.post("reviews", { document, field, value });
  undo = () => this.post("undo");
  table = () => this.post("table");
}

export const cropOf = ({ document, field }) => `api/crop?${new URLSearchParams({ document, field })}`;
export const keyOf = ({ document, field }) => JSON.stringify([document, field]);
