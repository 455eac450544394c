// A run: progress, the answer with its confidence, the report, files, and how to get the same by program.
import { call, cancel, follow } from "./api.js";
import { deleteButton } from "./deletion.js";
import { copyButton, h, say, table } from "./dom.js";
import { caveats, reading } from "./reading.js";
import { PHASES, STATUSES, STRATEGIES, accuracy, age, count, elapsed, geneSet, pValue, signed, size, waitingFor } from "./words.js";

// Signed URLs expire after an hour.
const RENEW_MS = 50 * 60 * 1000;
const REPORT = "_report.html";

export async function run(frame, { params: [runId], signal, go }) {
  const parts = Object.fromEntries(["head", "state", "asked", "result", "same"].map((name) => [name, h("section", { class: name })]));
  parts.state.setAttribute("aria-label", "State of the run");
  frame.append(...Object.values(parts));
  let before = null;
  for await (const status of follow(encodeURIComponent(runId), signal)) {
    document.title = `${STATUSES[status.status]}: ${status.query} · HAYSTACK`;
    parts.head.replaceChildren(...head(status, go));
    parts.state.replaceChildren(...state(status, signal));
    if (before !== status.status) {
      parts.asked.replaceChildren(...asked(status));
      parts.same.replaceChildren(...sameByProgram(status));
    }
    if (before && before !== status.status) say(`The run is ${STATUSES[status.status]}`);
    before = status.status;
    if (status.status === "completed") await showResult(parts.result, status, signal);
  }
}

function head(status, go) {
  return [
    h("h1", {}, status.query),
    h("p", { class: "line" },
      h("span", { class: `chip ${status.status}` }, STATUSES[status.status]),
      h("span", { class: "soft" }, `asked ${age(status.created_at)}`),
      status.label && h("a", { class: "label", href: `/runs?label=${encodeURIComponent(status.label)}` }, `Label: ${status.label}`),
      status.done && h("a", { href: `/?q=${encodeURIComponent(status.query)}` }, "Ask again"),
      copyButton(location.origin + location.pathname, "Copy the link", "The link opens only for you"),
      status.done && deleteButton(status, () => go("/runs"), "small")),
  ];
}

function state(status, signal) {
  if (status.status === "completed") return [];
  if (status.status === "cancelled") return [h("div", { class: "note mind" }, h("p", {}, "The run was cancelled. It has no result."))];
  if (status.status === "failed") {
    return [h("div", { class: "note blocking" }, h("h2", {}, "The run failed"), h("p", {}, status.error_message ?? ""),
      status.failure && h("p", {}, status.failure.advice))];
  }
  const clock = h("span", {}, elapsed(status.created_at));
  const timer = setInterval(() => {
    if (!clock.isConnected || signal.aborted) clearInterval(timer);
    clock.textContent = elapsed(status.created_at);
  }, 1000);
  const at = PHASES.findIndex(([name]) => name === status.current_phase);
  return [
    h("p", { class: "waiting" }, waitingFor(status), " ", h("span", { class: "soft" }, "Elapsed: ", clock)),
    h("ol", { class: "phases" }, PHASES.map(([name, text], index) => h("li", {
      class: index < at ? "past" : null, "aria-current": index === at ? "step" : null }, text, index === at && status.phase_progress
        && h("progress", { max: 1, value: status.phase_progress, "aria-label": `${text}: share that is done` })))),
    status.grounding_scores.length > 0 && h("p", { class: "soft" },
      `Grounding scores so far: ${status.grounding_scores.map((each) => each ?? "not judged").join(", ")}`),
    cancelButton(status.run_id),
  ].filter(Boolean);
}

// Cancelling cannot be undone, so the button asks once more.
export function cancelButton(runId, small = "") {
  let sure = false;
  return h("button", { type: "button", class: `danger ${small}`, "data-run": runId, click: async ({ target }) => {
    if (!sure) {
      sure = true;
      target.textContent = "Really cancel?";
      setTimeout(() => { sure = false; target.textContent = "Cancel"; }, 5000);
      return;
    }
    target.disabled = true;
    try {
      await cancel(runId);
    } catch (error) {
      target.after(h("span", { class: "no", role: "alert" }, ` ${error.message}`));
    }
  } }, "Cancel");
}

function asked(status) {
  if (!status.interpretation) {
    return [h("h2", {}, "How the question is read"), h("p", {},
      "Not read yet: the language model reads the question when the run starts.")];
  }
  const strategy = status.control_strategy_effective ?? status.control_strategy;
  const changed = strategy === status.control_strategy ? "" : " (not as requested: there are no matched control cells)";
  return [h("h2", {}, "How the question was read"), ...caveats(status.interpretation).filter(Boolean), reading(status.interpretation),
    h("p", { class: "soft" }, `Control strategy: ${STRATEGIES[strategy]}${changed}.`)];
}

async function showResult(element, status, signal) {
  const { body } = await call(`/runs/${status.run_id}/result`, { signal });
  element.replaceChildren(...result(body));
  const timer = setInterval(async () => {
    if (signal.aborted) return clearInterval(timer);
    const renewed = (await call(`/runs/${status.run_id}/result`, { signal }).catch(() => null))?.body;
    for (const file of renewed?.files ?? []) {
      for (const link of element.querySelectorAll(`a[data-file="${CSS.escape(file.name)}"]`)) link.href = file.url;
    }
  }, RENEW_MS);
}

function result(found) {
  const report = found.files.find((file) => file.name.endsWith(REPORT));
  const said = new Set(found.interpretation?.caveats.map((each) => each.detail));
  const answers = found.gene_answers.filter((each) => !found.answer.includes(each.text)); // the headline answers for one gene
  const notes = found.notes.filter((each) => !said.has(each));
  return [
    h("h2", {}, "Answer"),
    found.evidence && trust(found.evidence),
    h("p", { class: `answer ${found.evidence?.confidence ?? ""}` },
      found.answer || `${count(found.num_de_genes, "gene")} are predicted to change.`),
    answers.length > 0 && h("ul", { class: "gene-answers" }, answers.map((each) => h("li", {}, h("strong", {}, `${each.gene}: `),
      each.text))),
    found.evidence && h("p", {}, accuracy(found.evidence)),
    h("p", {}, score(found)),
    notes.length > 0 && h("ul", { class: "soft" }, notes.map((each) => h("li", {}, each))),
    h("p", { class: "soft" }, "Genes are ordered by the change of log1p(CP10k)."),
    h("div", { class: "pair" },
      genes("Genes that rise most", found.top_upregulated), genes("Genes that fall most", found.top_downregulated)),
    found.enriched_pathways.length > 0 && table("Gene sets that shift most",
      ["Gene set", { text: "Score", number: true }, { text: "Adjusted p", number: true }],
      found.enriched_pathways.slice(0, 8).map((each) => [geneSet(each.name), signed(each.score), pValue(each.adjusted_p_value)])),
    h("h2", {}, "Report"),
    h("p", { class: "line" }, link(report, "Open the report in its own tab", { target: "_blank", rel: "noopener" })),
    // The report is a document of the results bucket: it may run its own script, and reach nothing of this page.
    h("iframe", { class: "report", title: "Report of the run", src: report.url, sandbox: "allow-scripts allow-downloads allow-popups",
      loading: "lazy" }),
    h("h2", {}, "Files"),
    h("ul", {}, found.files.map((file) => h("li", {}, link(file, file.name.replace(`${found.run_id}_`, "")), h("span",
      { class: "soft" }, ` ${size(file.size)}`)))),
  ].filter(Boolean);
}

const link = (file, text, attributes) => h("a", { href: file.url, "data-file": file.name, ...attributes }, text);

export function trust(evidence) {
  return h("p", { class: `confidence ${evidence.confidence}` }, h("strong", {}, `Confidence: ${evidence.confidence}. `),
    evidence.confidence_reason);
}

function score(found) {
  if (found.grounding_score === null) return "Grounding score: not judged.";
  const chance = found.grounding_p_value === null ? "" : ` (p ${pValue(found.grounding_p_value)} by permuted treatment labels)`;
  const reached = found.success ? "the threshold is reached" : "no success by the rule of score and p";
  return `Grounding score: ${found.grounding_score} of 10${chance}; ${reached}.`;
}

function genes(caption, found) {
  if (found.length === 0) return h("p", { class: "soft" }, `${caption}: none is called changed.`);
  return table(caption, ["Gene", { text: "log2 fold change", number: true }, { text: "Adjusted p", number: true }],
    found.slice(0, 10).map((each) => [each.gene, signed(each.log2_fold_change), pValue(each.adjusted_p_value)]));
}

function sameByProgram({ run_id: runId, query }) {
  const shell = `'${JSON.stringify({ query }).replaceAll("'", "'\\''")}'`;
  const api = `${location.origin}/api/v1`;
  const curl = [
    `curl -s ${api}/runs -H 'Content-Type: application/json' -d ${shell}`,
    `curl -s '${api}/runs/${runId}?wait=30'`,
    `curl -s ${api}/runs/${runId}/result`,
  ].join("\n");
  const python = [
    "from haystack_client import Client",
    "",
    `with Client(${JSON.stringify(location.origin)}) as client:`,
    `    result = client.result(${JSON.stringify(runId)})`,
  ].join("\n");
  return [h("details", {}, h("summary", {}, "The same by curl and Python"),
    h("p", { class: "soft" }, "Behind a sign-in, add the header Authorization: Bearer with an identity token."),
    h("h3", {}, "curl"), h("pre", { tabindex: "0" }, curl), copyButton(curl, "Copy"),
    h("h3", {}, "Python"), h("pre", { tabindex: "0" }, python), copyButton(python, "Copy"))];
}
