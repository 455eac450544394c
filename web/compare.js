// Two runs side by side: confidence, genes and gene sets, and the effects of all genes as a scatter plot.
import { call } from "./api.js";
import { h, s, table } from "./dom.js";
import { caveats } from "./reading.js";
import { trust } from "./run.js";
import { count, geneSet, pValue, signed } from "./words.js";

const SIZE = 420;
const MARGIN = 46;
const NAMED = 12;

export async function compare(frame, { query, signal }) {
  const ids = ["a", "b"].map((name) => query.get(name) ?? "");
  frame.append(h("h1", {}, "Two runs compared"));
  if (!ids.every(Boolean)) return frame.append(h("p", { class: "note mind" }, "Choose two runs to compare. ", h("a", { href: "/runs" }, "Runs")));
  const both = await Promise.all(ids.map(async (id) => {
    const path = `/runs/${encodeURIComponent(id)}`;
    const [status, result] = await Promise.all([call(path, { signal }), call(`${path}/result`, { signal })]);
    return { ...result.body, query: status.body.query };
  }));
  frame.append(h("div", { class: "pair" }, both.map((each, at) => h("section", { class: "card" },
    h("h2", {}, `${"AB"[at]}: `, h("a", { href: `/runs/${each.run_id}` }, each.query)),
    each.evidence && trust(each.evidence),
    h("p", {}, each.answer),
    h("p", { class: "soft" }, `Cells: ${each.interpretation?.cell_type?.used?.label ?? "unknown"} in ${each.interpretation?.dataset ?? "unknown"}. `,
      `${count(each.num_de_genes, "gene")} called changed. Grounding score: ${each.grounding_score ?? "not judged"}.`),
    each.interpretation && caveats(each.interpretation)))));
  const tables = await Promise.all(both.map((each) => genesOf(each, signal).catch(() => null)));
  signal.throwIfAborted();
  const [a, b] = tables.map((each, at) => each ?? topGenes(both[at]));
  const whole = tables.every(Boolean);
  frame.append(h("h2", {}, "Effects"), scatter(a, b, whole), sideBySide(both, a, b), sets(both));
}

// All genes of a run from its table; without quotes, because gene symbols have neither commas nor quotes.
async function genesOf(result, signal) {
  const response = await fetch(result.files.find((file) => file.name.endsWith("_genes.csv")).url, { signal });
  if (!response.ok) throw new Error(`the table of genes: ${response.status}`);
  const [head, ...lines] = (await response.text()).trim().split(/\r?\n/).map((line) => line.split(","));
  const at = Object.fromEntries(["gene", "log2_fold_change", "adjusted_p_value", "is_de"].map((name) => [name, head.indexOf(name)]));
  const value = (text) => (text === "" || text === undefined ? null : Number(text));
  return new Map(lines.map((line) => [line[at.gene], {
    effect: value(line[at.log2_fold_change]), p: value(line[at.adjusted_p_value]), called: line[at.is_de]?.toLowerCase() === "true" }]));
}

const topGenes = (result) => new Map([...result.top_upregulated, ...result.top_downregulated].map((each) =>
  [each.gene, { effect: each.log2_fold_change, p: each.adjusted_p_value, called: true }]));

function scatter(a, b, whole) {
  const shared = [...a].flatMap(([gene, each]) => {
    const other = b.get(gene);
    const both = typeof each.effect === "number" && typeof other?.effect === "number";
    return both ? [{ gene, x: each.effect, y: other.effect, called: each.called || other.called }] : [];
  });
  if (shared.length < 3) return h("p", {}, "The two runs share fewer than three genes, so there is nothing to plot.");
  const reach = Math.max(1, ...shared.map((each) => Math.max(Math.abs(each.x), Math.abs(each.y))));
  const x = (value) => MARGIN + ((value + reach) / (2 * reach)) * (SIZE - 2 * MARGIN);
  const y = (value) => SIZE - x(value);
  const far = shared.filter((each) => each.called).sort((p, q) => Math.hypot(q.x, q.y) - Math.hypot(p.x, p.y));
  const named = [];
  for (const each of far) {
    const free = named.every((other) => Math.abs(y(other.y) - y(each.y)) > 12 || Math.abs(x(other.x) - x(each.x)) > 60);
    if (named.length < NAMED && free) named.push(each);
  }
  const r = correlation(shared);
  const text = `Log2 fold change of ${count(shared.length, "gene")} in A and B; correlation r = ${r.toFixed(2)}`;
  const dots = [...shared].sort((p, q) => p.called - q.called);
  return h("figure", {},
    s("svg", { class: "scatter", viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": text },
      s("line", { class: "axis", x1: x(-reach), x2: x(reach), y1: y(0), y2: y(0) }), s("line", { class: "axis", x1: x(0), x2: x(0),
        y1: y(-reach), y2: y(reach) }),
      s("line", { class: "diagonal", x1: x(-reach), x2: x(reach), y1: y(-reach), y2: y(reach) }),
      dots.map((each) => s("circle", { class: each.called ? "called" : "other", cx: x(each.x).toFixed(1), cy: y(each.y).toFixed(1),
        r: each.called ? 3 : 2 },
        s("title", {}, `${each.gene}: A ${signed(each.x)}, B ${signed(each.y)}`))),
      named.map((each) => s("text", { class: "name", x: x(each.x) + (each.x > reach / 2 ? -6 : 6), y: y(each.y) + 4,
        "text-anchor": each.x > reach / 2 ? "end" : "start" }, each.gene)),
      [-reach, reach].map((end) => s("text", { x: x(end), y: y(0) + 16, "text-anchor": end < 0 ? "start" : "end" }, signed(end))),
      s("text", { x: SIZE - MARGIN, y: SIZE - 10, "text-anchor": "end" }, "log2 fold change in A"), s("text", { x: 8, y: 18 },
        "log2 fold change in B")),
    h("figcaption", {}, `${text}. Colored dots are called changed in A or B. The dashed line marks equal effects.`,
      !whole && " The tables of all genes could not be loaded, so only the top genes are shown."));
}

function correlation(points) {
  const mean = (name) => points.reduce((sum, each) => sum + each[name], 0) / points.length;
  const [mx, my] = [mean("x"), mean("y")];
  const sum = (of) => points.reduce((total, each) => total + of(each.x - mx, each.y - my), 0);
  return sum((dx, dy) => dx * dy) / (Math.sqrt(sum((dx) => dx * dx) * sum((_, dy) => dy * dy)) || 1);
}

function sideBySide(both, a, b) {
  const names = [...new Set(both.flatMap((each) => [...each.top_upregulated.slice(0, 10), ...each.top_downregulated.slice(0,
    10)].map((gene) => gene.gene)))];
  const cell = (genes, gene) => {
    const found = genes.get(gene);
    return found ? [signed(found.effect), found.called ? " *" : ""] : "not measured or not listed";
  };
  if (names.length === 0) return h("p", {}, "No gene is called changed in either run.");
  return table("Genes that change most in A or B: log2 fold change; * called changed",
    ["Gene", { text: "A", number: true }, { text: "B", number: true }], names.map((gene) => [gene, cell(a, gene), cell(b, gene)]));
}

function sets(both) {
  const found = both.map((each) => new Map(each.enriched_pathways.map((set) => [set.name, set])));
  const names = [...new Set(found.flatMap((each) => [...each.keys()].slice(0, 10)))];
  const cell = (set) => (set ? `${signed(set.score)} (p ${pValue(set.adjusted_p_value)})` : "not among the top");
  if (names.length === 0) return null;
  return table("Gene sets that shift most in A or B: score and adjusted p", ["Gene set", { text: "A", number: true }, { text: "B",
    number: true }],
    names.map((name) => [geneSet(name), ...found.map((each) => cell(each.get(name)))]));
}
