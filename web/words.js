// Words and numbers for people.

export const PHASES = [
  ["query_analysis", "Read the question"],
  ["prompt_generation", "Choose cells"],
  ["inference", "Predict"],
  ["evaluation", "Evaluate"],
  ["output_generation", "Write the results"],
];

export const STATUSES = {
  pending: "waiting",
  running: "running",
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled",
};

// As a choice, after "Compare the prediction with".
export const CONTROLS = {
  synthetic_control: "a predicted control (the default)",
  query_as_control: "the cells of the question themselves",
};

export const STRATEGIES = {
  synthetic_control: "compare with a control that is predicted from matched control cells",
  query_as_control: "compare with the cells of the question themselves",
};

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "long" });

export function age(time) {
  const seconds = (Date.parse(time) - Date.now()) / 1000;
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= length) return RELATIVE.format(Math.trunc(seconds / length), unit);
  }
  return "just now";
}

export function elapsed(from, to = Date.now()) {
  const seconds = Math.max(0, Math.round((to - Date.parse(from)) / 1000));
  const minutes = Math.floor(seconds / 60);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

export const number = (value) => (value === null || value === undefined ? "unknown" : value.toLocaleString("en"));
export const signed = (value) => (value === null ? "–" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`);
export const size = (bytes) => (bytes < 1024 ** 2 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 1024 ** 2).toFixed(1)} MiB`);
export const count = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

// A gene set in the spelling of people: words with digits and the abbreviations of the Hallmark sets keep their capitals.
const ABBREVIATIONS = new Set(["TNFA", "NFKB", "WNT", "TGF", "JAK", "DNA", "AKT", "MTOR", "MYC", "UV", "KRAS", "TCR", "BCR", "MHC", "RNA"]);
const inCase = (word) => (ABBREVIATIONS.has(word) || /\d/.test(word) ? word : word.toLowerCase());
export const geneSet = (name) => name.replace(/^(HALLMARK|REACTOME)_/, "").split("_").map(inCase).join(" ");

export function pValue(value) {
  if (value === null) return "–";
  if (value >= 0.001) return value.toFixed(3);
  const [digits, exponent] = value.toExponential(0).split("e-");
  return value === 0 ? "< 1e−300" : `${digits}e−${exponent}`;
}

// What a run that is not done waits for. Newer services say it of a queued run in a sentence.
export function waitingFor(run) {
  if (run.waiting_for?.text) return run.waiting_for.text;
  if (run.status === "pending") {
    return run.attempt > 1
      ? "The machine was lost. Waiting for another one; the run starts over."
      : "Waiting in the queue for a machine. A machine takes about a minute to start.";
  }
  const phase = PHASES.find(([name]) => name === run.current_phase)?.[1].toLowerCase() ?? "start";
  const of = run.current_iteration ? `, iteration ${run.current_iteration} of at most ${run.max_iterations}` : "";
  const done = run.phase_progress ? ` (${Math.round(100 * run.phase_progress)} % done)` : "";
  return `Working: ${phase}${done}${of}.`;
}

const FAMILIAR = ["IFN-beta", "IFN-gamma", "TNF-alpha"];

// The perturbations to ask about in an example: those that people know, else the first.
export function familiar(causes) {
  const known = FAMILIAR.flatMap((name) => causes.filter((each) => each.name === name));
  return known.length ? known : causes.slice(0, 1);
}

const KNOWN = { cell_types: "cell types", donors: "donors", perturbations: "perturbations" };

// The sentences of haystack_client/evidence.py: what was observed where the answer is known, then what to expect of the asked cells.
export function accuracy(evidence) {
  const expected = evidence.expected_accuracy;
  if (!expected) return `Expected accuracy: unknown. ${evidence.expected_accuracy_note ?? ""}`.trim();
  const observed = (name) => expected.left_out.map((each) => each[name]).filter((value) => typeof value === "number").sort((a, b) => a - b);
  const reached = observed("pearson");
  const nearest = observed("nearest_pearson");
  const [other, baseline] = nearest.length ? ["copying the nearest type", nearest] : ["the mean of the others", observed("mean_delta_pearson")];
  const [r, low, high, simple] = [median(reached), reached[0], reached.at(-1), median(baseline)].map((value) => value.toFixed(2));
  const [from, to] = [expected.pearson.low.toFixed(2), expected.pearson.high.toFixed(2)];
  return `On the ${expected.n} ${KNOWN[expected.held_out]} where the answer is known, this method reaches r = ${r} (${low} to ${high}); ` +
    `${other} reaches ${simple}. For the asked cells, expect r = ${expected.pearson.median.toFixed(2)}${from === to ? "" : ` (${from} to ${to})`} ` +
    "against a measurement of as many perturbed cells as there are control cells.";
}

const median = (sorted) => (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
