// Requests to the service. Paths are relative, as it may live behind a prefix.

/** What the service refused, in its words. */
export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** The JSON of a path. */
export async function read(path, signal) {
  return accepted(await fetch(path, { signal })).then((reply) => reply.json());
}

/** The JSON that a path answers a JSON body with. */
export async function send(path, body, signal) {
  return accepted(await post(path, body, signal)).then((reply) => reply.json());
}

/** The JSON that a path answers a form with. */
export async function upload(path, form, signal) {
  return accepted(await fetch(path, { method: "POST", body: form, signal })).then((reply) =>
    reply.json(),
  );
}

/** Server-Sent Events of a POST, as {name, data}; an event `error` is thrown. */
export async function* events(path, body, signal) {
  const reply = await accepted(await post(path, body, signal));
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) yield event(block);
  }
}

function event(block) {
  const fields = Object.fromEntries(
    block.split("\n").map((line) => {
      const colon = line.indexOf(": ");
      return [line.slice(0, colon), line.slice(colon + 2)];
    }),
  );
  const data = JSON.parse(fields.data);
  if (fields.event === "error") throw new Refusal(data.error, data.status);
  return { name: fields.event, data };
}

function post(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

async function accepted(reply) {
  if (reply.ok) return reply;
  const said = await reply.json().catch(() => ({}));
  throw new Refusal(said.error ?? `The service answered ${reply.status}.`, reply.status);
}
