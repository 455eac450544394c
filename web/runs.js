// Runs: a live list with filter and pages; cancel, ask again, select two to compare.
import { call, pause } from "./api.js";
import { deleteButton } from "./deletion.js";
import { h, say } from "./dom.js";
import { isSimulated } from "./reading.js";
import { cancelButton } from "./run.js";
import { STATUSES, age, count, elapsed, waitingFor } from "./words.js";

const PAGE_SIZE = 20;
const REFRESH_SECONDS = 15;
// Browsers open at most six connections to a host without HTTP/2, and each tab waits on some.
const FOLLOWED = 2;

export async function runs(frame, { query, signal, go }) {
  const wanted = STATUSES[query.get("status")] ? query.get("status") : "";
  const label = query.get("label")?.trim() ?? "";
  const page = Math.max(1, Number(query.get("page")) || 1);
  const chosen = new Set();
  const filter = h("select", { id: "filter", change: () => go(address(filter.value, labelled.value, 1)) },
    h("option", { value: "" }, "all"), Object.entries(STATUSES).map(([value, text]) => h("option", { value,
      selected: value === wanted }, text)));
  const labels = h("datalist", { id: "labels" });
  const labelled = h("input", { id: "label", type: "search", list: "labels", maxlength: 100, value: label, autocomplete: "off",
    placeholder: "any", change: () => go(address(filter.value, labelled.value, 1)) });
  const compare = h("button", { type: "button", disabled: true, click: () => { const [a, b] = chosen; go(`/compare?a=${a}&b=${b}`); } },
    "Compare two runs");
  const list = h("ul", { class: "runs" });
  const foot = h("nav", { class: "line", "aria-label": "Pages" });
  frame.append(h("h1", {}, "Runs"),
    h("div", { class: "line tools" }, h("label", { class: "line" }, "Show ", filter), h("label", { class: "line" }, "Label ", labelled), labels),
    h("div", { class: "line tools" }, compare, h("span", { class: "soft" }, "Select two completed runs to compare them.")),
    list, foot);
  const path = `/runs?page_size=${PAGE_SIZE}&page=${page}${wanted && `&status=${wanted}`}${label && `&label=${encodeURIComponent(label)}`}`;
  const rows = new Map();
  let etag = null;
  let wake = () => {};
  while (!signal.aborted) {
    const found = await call(path, { signal, headers: etag ? { "If-None-Match": etag } : {} });
    etag = found.etag ?? etag;
    if (found.body) draw(found.body);
    await change();
  }

  function draw(body) {
    const last = Math.max(1, Math.ceil(body.total / PAGE_SIZE));
    if (page > last) return go(address(wanted, label, last), { replace: true });
    const seen = new Set(body.runs.map((run) => run.run_id));
    for (const id of [...rows.keys()].filter((each) => !seen.has(each))) rows.delete(id);
    for (const run of body.runs) {
      const old = rows.get(run.run_id);
      if (old?.run.status === run.status) {
        old.run = run;
        old.element.querySelector(".state").replaceChildren(progress(run));
        continue; // the row stays, with its focus
      }
      if (old) say(`${run.query}: ${STATUSES[run.status]}`);
      rows.set(run.run_id, { run, element: row(run) });
    }
    const focused = document.activeElement;
    const elements = body.runs.map((run) => rows.get(run.run_id).element);
    if (elements.length !== list.children.length || elements.some((each,
      at) => list.children[at] !== each)) list.replaceChildren(...elements);
    if (list.contains(focused)) focused.focus();
    if (elements.length === 0) {
      const filtered = wanted || label;
      const none = `No ${wanted && `${STATUSES[wanted]} `}run${label && ` with the label “${label}”`}. `;
      list.replaceChildren(h("li", {}, filtered ? none : "You have not asked anything yet. ", h("a",
        { href: filtered ? "/runs" : "/" }, filtered ? "Show all runs" : "Ask a question")));
    }
    labels.replaceChildren(...[...new Set(body.runs.map((run) => run.label).filter(Boolean))].map((value) => h("option", { value })));
    foot.replaceChildren(...[
      page > 1 && h("a", { href: address(wanted, label, page - 1) }, "Newer"),
      h("span", { class: "soft" }, `${count(body.total, "run")}, page ${page} of ${last}`),
      page < last && h("a", { href: address(wanted, label, page + 1) }, "Older")].filter(Boolean));
  }

  // Wait until one of the newest active runs changes, or for the next look at the list.
  async function change() {
    const stop = new AbortController();
    const over = AbortSignal.any([signal, stop.signal]);
    const active = [...rows.values()].filter(({ run }) => !run.done).slice(0, FOLLOWED);
    const waits = active.map(({ run }) => changed(run, over));
    const woken = new Promise((resolve) => { wake = resolve; });
    await Promise.race([pause(REFRESH_SECONDS, over), woken, ...waits]).finally(() => stop.abort());
    if (document.hidden) await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true, signal }));
  }

  async function changed(run, over) {
    const { etag: current, body } = await call(`/runs/${run.run_id}`, { signal: over });
    if (body.updated_at !== run.updated_at) return;
    await call(`/runs/${run.run_id}?wait=25`, { signal: over, headers: { "If-None-Match": current } });
  }

  function deleted(run) {
    chosen.delete(run.run_id);
    compare.disabled = chosen.size !== 2;
    document.getElementById("main").focus({ preventScroll: true });
    wake();
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
          isSimulated(run.interpretation) && h("span", { class: "chip soft" }, "simulated"),
          h("span", { class: "soft state" }, progress(run)),
          run.label && h("a", { class: "label", href: address("", run.label, 1) }, `Label: ${run.label}`),
          run.status === "failed" && h("span", {}, run.error_message))),
      h("div", { class: "line" }, run.done
        ? [h("a", { href: `/?q=${encodeURIComponent(run.query)}` }, "Ask again"), deleteButton(run, () => deleted(run), "small")]
        : cancelButton(run.run_id, "small")));
  }
}

const progress = (run) => (run.done
  ? `${age(run.created_at)}, took ${elapsed(run.created_at, Date.parse(run.updated_at))}` : waitingFor(run));

function address(status, label, page) {
  const found = new URLSearchParams({ ...(status && { status }), ...(label.trim() && { label: label.trim() }), ...(page > 1 && { page }) })
    .toString();
  return `/runs${found && `?${found}`}`;
}
