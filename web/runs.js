// Runs: a live list with filter and pages; cancel, ask again, select two to compare.
import { call, pause } from "./api.js";
import { h, say } from "./dom.js";
import { cancelButton } from "./run.js";
import { STATUSES, age, count, elapsed, waitingFor } from "./words.js";

const PAGE_SIZE = 20;
const REFRESH_SECONDS = 15;
// Browsers open at most six connections to a host without HTTP/2, and each tab waits on some.
const FOLLOWED = 2;

export async function runs(frame, { query, signal, go }) {
  const wanted = STATUSES[query.get("status")] ? query.get("status") : "";
  const page = Math.max(1, Number(query.get("page")) || 1);
  const chosen = new Set();
  const filter = h("select", { id: "filter", change: () => go(address(filter.value, 1)) },
    h("option", { value: "" }, "all"), Object.entries(STATUSES).map(([value, text]) => h("option", { value,
      selected: value === wanted }, text)));
  const compare = h("button", { type: "button", disabled: true, click: () => { const [a, b] = chosen; go(`/compare?a=${a}&b=${b}`); } },
    "Compare two runs");
  const list = h("ul", { class: "runs" });
  const foot = h("nav", { class: "line", "aria-label": "Pages" });
  frame.append(h("h1", {}, "Runs"),
    h("div", { class: "line tools" }, h("label", { for: "filter" }, "Show "), filter, compare, h("span", { class: "soft",
      id: "compare-hint" }, "Select two completed runs to compare them.")),
    list, foot);
  const path = `/runs?page_size=${PAGE_SIZE}&page=${page}${wanted && `&status=${wanted}`}`;
  const rows = new Map();
  let etag = null;
  while (!signal.aborted) {
    const found = await call(path, { signal, headers: etag ? { "If-None-Match": etag } : {} });
    etag = found.etag ?? etag;
    if (found.body) draw(found.body);
    await change();
  }

  function draw(body) {
    const seen = new Set(body.runs.map((run) => run.run_id));
    for (const id of [...rows.keys()].filter((each) => !seen.has(each))) rows.delete(id);
    for (const run of body.runs) {
      const old = rows.get(run.run_id);
      if (old?.version === run.updated_at) continue;
      if (old && old.run.status !== run.status) say(`${run.query}: ${STATUSES[run.status]}`);
      rows.set(run.run_id, { run, version: run.updated_at, element: row(run) });
    }
    const focused = document.activeElement;
    const elements = body.runs.map((run) => rows.get(run.run_id).element);
    if (elements.length !== list.children.length || elements.some((each,
      at) => list.children[at] !== each)) list.replaceChildren(...elements);
    if (list.contains(focused)) focused.focus();
    if (elements.length === 0) {
      list.replaceChildren(h("li", {}, wanted ? `No run is ${STATUSES[wanted]}. ` : "You have not asked anything yet. ", h("a",
        { href: wanted ? "/runs" : "/" }, wanted ? "Show all runs" : "Ask a question")));
    }
    const last = Math.max(1, Math.ceil(body.total / PAGE_SIZE));
    foot.replaceChildren(...[
      page > 1 && h("a", { href: address(wanted, page - 1) }, "Newer"),
      h("span", { class: "soft" }, `${count(body.total, "run")}, page ${page} of ${last}`),
      page < last && h("a", { href: address(wanted, page + 1) }, "Older")].filter(Boolean));
  }

  // Wait until one of the newest active runs changes, or for the next look at the list.
  async function change() {
    const stop = new AbortController();
    const over = AbortSignal.any([signal, stop.signal]);
    const active = [...rows.values()].filter(({ run }) => !run.done).slice(0, FOLLOWED);
    const waits = active.map(({ run }) => changed(run, over));
    await Promise.race([pause(REFRESH_SECONDS, over), ...waits]).finally(() => stop.abort());
    if (document.hidden) await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true, signal }));
  }

  async function changed(run, over) {
    const { etag: current, body } = await call(`/runs/${run.run_id}`, { signal: over });
    if (body.updated_at !== run.updated_at) return;
    await call(`/runs/${run.run_id}?wait=25`, { signal: over, headers: { "If-None-Match": current } });
  }

  function row(run) {
    const box = h("input", { type: "checkbox", "aria-label": `Select to compare: ${run.query}`, disabled: run.status !== "completed",
      checked: chosen.has(run.run_id), change: () => {
      if (box.checked) chosen.add(run.run_id);
      else chosen.delete(run.run_id);
      if (chosen.size > 2) {
        const oldest = [...chosen][0];
        chosen.delete(oldest);
        const other = rows.get(oldest)?.element.querySelector("input");
        if (other) other.checked = false;
      }
      compare.disabled = chosen.size !== 2;
    } });
    return h("li", {}, box,
      h("div", {},
        h("a", { class: "question", href: `/runs/${run.run_id}` }, run.query),
        h("p", { class: "line" },
          h("span", { class: `chip ${run.status}` }, STATUSES[run.status]),
          run.confidence && h("span", { class: `confidence ${run.confidence}` }, h("strong", {}, `confidence: ${run.confidence}`)),
          h("span", { class: "soft" }, run.done ? `${age(run.created_at)}, took ${elapsed(run.created_at, Date.parse(run.updated_at))}` : waitingFor(run)),
          run.status === "failed" && h("span", {}, run.error_message))),
      h("div", { class: "line" }, run.done ? h("a", { href: `/?q=${encodeURIComponent(run.query)}` },
        "Ask again") : cancelButton(run.run_id, "small")));
  }
}

function address(status, page) {
  const found = new URLSearchParams({ ...(status && { status }), ...(page > 1 && { page }) }).toString();
  return `/runs${found && `?${found}`}`;
}
