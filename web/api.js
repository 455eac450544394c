// Calls of the API. A lost connection or a busy service is retried and said at the top of the page.

const BASE = "/api/v1";
const WAITS = [1, 2, 4, 8, 15];
const BUSY = new Set([502, 503, 504]);

// What the service refused, with its problem (RFC 9457).
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `The service responded with ${status}. Try again later.`);
    this.status = status;
    this.problem = problem;
  }
}

export class SignedOut extends Error {
  constructor() {
    super("You are signed out. Sign in to continue.");
  }
}

// Return {body, etag, link}; body is null if the response is a 304.
export async function call(path, { method = "GET", body, headers = {}, signal } = {}) {
  for (let attempt = 0; ; attempt += 1) {
    let response = null;
    try {
      response = await fetch(BASE + path, {
        method,
        signal,
        credentials: "same-origin",
        // With this header, Identity-Aware Proxy answers an ended session with 401; a redirect leads to its sign-in too.
        redirect: "manual",
        headers: {
          Accept: "application/json",
          "X-Requested-With": "XMLHttpRequest",
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      if (signal?.aborted) throw error;
    }
    if (response?.type === "opaqueredirect" || response?.status === 401) {
      connection({ signedOut: true });
      throw new SignedOut();
    }
    if (response !== null && !BUSY.has(response.status) && !(await isTooFast(response))) {
      connection({});
      return await read(response);
    }
    const seconds = Math.max(WAITS[Math.min(attempt, WAITS.length - 1)], Number(response?.headers.get("Retry-After") ?? 0));
    connection({ offline: response === null, seconds });
    await pause(seconds, signal, response === null);
  }
}

// Whether the service asks for a pause: the limits of requests end within seconds, the limit of active runs does not.
async function isTooFast(response) {
  if (response.status !== 429) return false;
  const { code } = await response.clone().json().catch(() => ({}));
  return code !== "too_many_runs";
}

async function read(response) {
  const etag = response.headers.get("ETag");
  if (response.status === 304) return { body: null, etag };
  const found = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, found);
  return { body: found, etag };
}

// Wait; a network that comes back ends the wait.
export function pause(seconds, signal, untilOnline = false) {
  return new Promise((resolve, reject) => {
    const end = (done, value) => () => {
      clearTimeout(timer);
      window.removeEventListener("online", online);
      signal?.removeEventListener("abort", aborted);
      done(value);
    };
    const online = end(resolve);
    const aborted = end(reject, new DOMException("left the page", "AbortError"));
    const timer = setTimeout(online, seconds * 1000);
    if (untilOnline) window.addEventListener("online", online);
    signal?.addEventListener("abort", aborted);
    if (signal?.aborted) aborted();
  });
}

let shown = "";
function connection({ offline = false, signedOut = false, seconds = 0 }) {
  let text = "";
  if (signedOut) text = "You are signed out.";
  else if (seconds && offline) text = `No connection to the service. Trying again every ${seconds} s; nothing is lost.`;
  else if (seconds) text = `The service is busy or starting. Trying again in ${seconds} s.`;
  if (text === shown) return;
  shown = text;
  const bar = document.getElementById("connection");
  bar.replaceChildren(text);
  if (signedOut) {
    const again = document.createElement("a");
    again.href = location.href; // a page load, which the sign-in of the service answers
    again.dataset.load = "page";
    again.textContent = "Sign in";
    bar.append(" ", again);
  }
}

// Yield the status of a run now and at each change, until it is done.
export async function* follow(runId, signal) {
  let etag = null;
  for (let wait = ""; ; wait = "?wait=25") {
    const started = Date.now();
    const found = await call(`/runs/${runId}${wait}`, { signal, headers: etag ? { "If-None-Match": etag } : {} });
    etag = found.etag ?? etag;
    if (found.body) yield found.body;
    if (found.body?.done) return;
    // A service that does not wait must not be asked without pause.
    if (wait && Date.now() - started < 500) await pause(1, signal);
  }
}

export const validate = (query, strategy, signal) =>
  call("/runs/validate-control-strategy", { method: "POST", body: { query, control_strategy: strategy }, signal });

// The key makes a retry after a lost response return the same run.
export const submit = (body, signal) =>
  call("/runs", { method: "POST", body, signal, headers: { "Idempotency-Key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` } });

export const cancel = (runId) => call(`/runs/${runId}/cancel`, { method: "POST" });
export const remove = (runId) => call(`/runs/${runId}`, { method: "DELETE" });

const kept = new Map();
// Metadata change rarely: one read each per page load.
export function metadata(path) {
  if (!kept.has(path)) {
    const found = call(`/metadata/${path}`).then(({ body }) => body);
    found.catch(() => kept.delete(path));
    kept.set(path, found);
  }
  return kept.get(path);
}
