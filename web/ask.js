// Ask: a question, how it is read while typing, and suggestions when it cannot be answered.
import { Refused, metadata, pause, submit, validate } from "./api.js";
import { complete } from "./completion.js";
import { h, say } from "./dom.js";
import { caveats, isIncomplete, reading } from "./reading.js";
import { CONTROLS, familiar } from "./words.js";

const DRAFT = "question";
const SHORTEST = 5;

export async function ask(frame, { query, signal, go }) {
  const field = h("textarea", { id: "question", rows: 2, maxlength: 2000, autocomplete: "off", spellcheck: "false",
    placeholder: "How would CD14 monocytes respond to IFN-gamma?", "aria-describedby": "hint" });
  field.value = query.get("q") ?? sessionStorage.getItem(DRAFT) ?? "";
  const panel = h("section", { id: "reading", "aria-label": "How the question is read", "aria-live": "polite" });
  const button = h("button", { class: "primary", type: "submit" }, "Ask");
  const options = optionFields();
  const examples = h("div", { class: "examples" });
  const form = h("form", { submit: (event) => { event.preventDefault(); send(); } },
    h("label", { for: "question" }, "Your question"),
    h("div", { class: "ask" }, h("div", { class: "combo" }, field), button),
    h("p", { id: "hint", class: "soft" }, "Name one cell type and one perturbation, in your own words. A question about genes may name them."),
    options.element);
  frame.append(h("h1", {}, "How do cells respond?"), form, panel, examples);
  complete(field, terms(), signal);
  let reader = new AbortController();
  field.addEventListener("input", () => read());
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.defaultPrevented) return;
    event.preventDefault();
    form.requestSubmit();
  });
  options.element.addEventListener("change", () => read(0));
  if (field.value) read(0);
  showExamples(examples, choose).catch(() => {});

  function choose(text) {
    field.value = text;
    field.focus();
    read(0);
  }

  async function read(delay = 0.35) {
    sessionStorage.setItem(DRAFT, field.value);
    reader.abort();
    reader = new AbortController();
    const stop = AbortSignal.any([signal, reader.signal]);
    if (field.value.trim().length < SHORTEST) {
      panel.replaceChildren();
      return;
    }
    try {
      await pause(delay, stop);
      const { body } = await validate(field.value, options.values().control_strategy, stop);
      const atlas = body.interpretation.dataset && (await metadata(`datasets/${encodeURIComponent(body.interpretation.dataset)}`));
      stop.throwIfAborted();
      panel.replaceChildren(...understood(body.interpretation, body.suggestions, body, atlas));
    } catch (error) {
      if (!stop.aborted) panel.replaceChildren(refusal(error));
    }
  }

  async function send() {
    if (field.value.trim().length < SHORTEST) {
      panel.replaceChildren(h("div", { class: "note blocking" }, h("p", {},
        "Write a question with a cell type and a perturbation first.")));
      field.focus();
      return;
    }
    reader.abort();
    button.disabled = true;
    button.textContent = "Asking …";
    try {
      const { body } = await submit({ query: field.value, ...options.values() }, signal);
      sessionStorage.removeItem(DRAFT);
      go(`/runs/${body.run_id}`);
    } catch (error) {
      if (signal.aborted) return;
      const { interpretation, suggestions } = error.problem ?? {};
      panel.replaceChildren(...(interpretation ? understood(interpretation, suggestions) : [refusal(error)]));
    } finally {
      button.disabled = false;
      button.textContent = "Ask";
    }
  }

  function understood(interpretation, suggestions, validation, atlas) {
    const incomplete = isIncomplete(interpretation);
    const refused = incomplete ? "This question is not complete yet" : "This question cannot be answered";
    const verdict = interpretation.answerable ? "This question can be answered" : refused;
    say(verdict);
    return [
      h("h2", { class: interpretation.answerable ? "yes" : incomplete ? "soft" : "no" }, verdict),
      ...caveats(interpretation, incomplete),
      suggestions?.length > 0 && h("div", { class: "suggestions" }, h("h3", {}, "You could ask"),
        suggestions.map((text) => h("button", { type: "button", class: "suggestion", click: () => choose(text) }, text))),
      (interpretation.cell_type || interpretation.perturbation) && [h("h3", {}, "Read as"), reading(interpretation, validation, atlas)],
    ].flat().filter(Boolean);
  }
}

function refusal(error) {
  const details = error instanceof Refused ? (error.problem.errors ?? []).map((each) => `${each.loc?.at(-1)}: ${each.msg}`) : [];
  return h("div", { class: "note blocking" }, h("p", {}, error.message), details.length > 0 && h("ul", {}, details.map((each) => h("li",
    {}, each))));
}

function optionFields() {
  const select = (name, label, choices) => h("label", {}, label, h("select", { name }, choices.map(([value, text]) => h("option",
    { value }, text))));
  const input = (name, label, low, high, value) => h("label", {}, label, h("input", { name, type: "number", min: low, max: high, value,
    inputmode: "numeric" }));
  const element = h("details", { class: "options" }, h("summary", {}, "Options"), h("div", { class: "fields" },
    select("control_strategy", "Compare the prediction with", Object.entries(CONTROLS)),
    input("max_iterations", "Maximum number of iterations (1 to 10)", 1, 10, 5),
    input("score_threshold", "Stop when the grounding score reaches (1 to 10)", 1, 10, 7),
    h("label", {}, "Label, to find the run again (up to 100 characters)", h("input", { name: "label", maxlength: 100, autocomplete: "off" })),
    input("random_seed", "Random seed, for reproducible results (empty: any)", 0, 4294967295, null),
    select("llm_provider", "Who reads the question", [["", "the catalog alone"], ["anthropic", "Anthropic"], ["openai", "OpenAI"],
      ["google_genai", "Google"]]),
    h("p", { class: "soft" }, "A language model works only if the operator of this service stored its key. Otherwise the catalog alone reads the question."),
  ));
  const values = () => {
    const found = {};
    for (const each of element.querySelectorAll("[name]")) {
      const value = each.value.trim();
      if (value !== "") found[each.name] = each.type === "number" ? Number(value) : value;
    }
    return found;
  };
  return { element, values };
}

// Cell types and perturbations with their other names, for completion.
async function terms() {
  const [types, perturbations] = await Promise.all([metadata("cell-types"), metadata("perturbations")]);
  return [
    ...types.map((each) => ({ name: each.name, others: each.synonyms, kind: "cell type" })),
    ...perturbations.map((each) => ({ name: each.name, others: each.synonyms, kind: each.type })),
  ];
}

const TEMPLATES = [
  (type, cause) => `How would ${type} respond to ${cause}?`,
  (type, cause) => `What does ${cause} do to ${type}?`,
  (type, cause) => `Which genes go down in ${type} after ${cause}?`,
  (type, cause) => `How do ${type} respond to ${cause}?`,
];

// One question per template, about what the ingested atlases have; measured atlases first.
async function showExamples(element, choose) {
  const names = await metadata("datasets");
  const sets = (await Promise.all(names.map((name) => metadata(`datasets/${encodeURIComponent(name)}`)))).filter((each) => each.ingested);
  sets.sort((a, b) => a.semi_synthetic - b.semi_synthetic);
  const questions = [];
  for (const set of sets.slice(0, 3)) {
    const of = `?dataset=${encodeURIComponent(set.name)}`;
    const [types, causes] = await Promise.all([metadata(`cell-types${of}`), metadata(`perturbations${of}`)]);
    const known = familiar(causes);
    const plain = types.filter((each) => !each.name.includes(",") && each.cell_count > 100).sort((a, b) => b.cell_count - a.cell_count);
    for (let at = 0; at < Math.min(2, plain.length, known.length * 2); at += 1) {
      const name = /s$/.test(plain[at].name) ? plain[at].name : `${plain[at].name}s`;
      questions.push(TEMPLATES[questions.length % TEMPLATES.length](name, known[at % known.length].name));
    }
  }
  if (questions.length === 0) {
    element.append(h("p", { class: "note mind" }, "No atlas is ingested yet, so no question can be answered. See ", h("a",
      { href: "/atlases" }, "Atlases"), "."));
    return;
  }
  element.append(h("h2", {}, "Examples"), h("ul", { class: "plain" },
    questions.map((text) => h("li", {}, h("button", { type: "button", class: "suggestion", click: () => choose(text) }, text)))));
}
