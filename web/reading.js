// How a question was read: what was not understood first, then what is used.
import { h } from "./dom.js";
import { number } from "./words.js";

const IGNORED = new Set(["second_cell_type", "pretreatment", "dose", "time", "disease", "donor_attribute", "tissue", "unknown_words"]);
const OTHER_TYPES = "other cell types of the atlas, and transferred from them";

export const isSimulated = (interpretation) => Boolean(interpretation?.caveats.some((each) => each.code === "semi_synthetic"));

// Whether the question only lacks something, as while it is being typed.
export function isIncomplete(interpretation) {
  const blocking = interpretation.caveats.filter((each) => each.blocking);
  return blocking.length > 0 && blocking.every((each) => each.code === "no_perturbation" || each.code === "no_cell_type");
}

export function caveats(interpretation, incomplete = false) {
  const of = (wanted) => interpretation.caveats.filter(wanted);
  return [
    list(incomplete ? "Missing so far" : "Cannot be answered", incomplete ? "mind" : "blocking", of((each) => each.blocking)),
    list("Not taken into account", "ignored", of((each) => !each.blocking && IGNORED.has(each.code))),
    list("Keep in mind", "mind", of((each) => !each.blocking && !IGNORED.has(each.code))),
  ];
}

function list(title, kind, found) {
  return found.length ? h("div", { class: `note ${kind}` }, h("h3", {}, title), h("ul", {}, found.map((each) => h("li", {},
    each.detail)))) : null;
}

// `atlas` describes the dataset that answers; without it, only the reading is shown.
export function reading(interpretation, validation, atlas) {
  const { cell_type: type, perturbation, genes, dataset } = interpretation;
  const used = type?.used;
  return h("dl", { class: "facts" },
    fact("Cell type", type && [type.name, quoted(type.matched_text)]),
    fact("Perturbation", perturbation && [perturbation.name, quoted(perturbation.matched_text)]),
    genes.length > 0 && fact("Genes", genes.map((gene) => gene.symbol).join(", ")),
    used && fact("Cells used", [used.label, h("span", { class: "soft" },
      used.relation === "exact" ? "" : ` (${used.name}, ${used.relation === "related" ? "related to" : `a ${used.relation} of`} ${type.name})`,
      ` · ${number(used.cells)} control cells in ${dataset}`)]),
    perturbation?.evidence && fact("Evidence", evidence(interpretation)),
    atlas && [
      fact("Control", validation.synthetic_control_available
        ? `matched control cells: ${atlas.control_conditions.join(", ")}`
        : "no matched control cells: the cells of the question are the control"),
      fact("Expected power", power(interpretation, atlas.donors.length)),
    ]);
}

function evidence(interpretation) {
  const { cell_type: type, perturbation } = interpretation;
  if (perturbation.evidence === "related_perturbation") return `${missing(perturbation)} was not measured; inferred from ${perturbation.used}`;
  const where = perturbation.evidence === "measured_in_cell_type" ? type?.used?.label ?? "these cells" : OTHER_TYPES;
  return `${isSimulated(interpretation) ? "simulated" : "measured"} in ${where}`;
}

function fact(name, value) {
  return value ? h("div", {}, h("dt", {}, name), h("dd", {}, value)) : null;
}

// What the answer lacks: the name in the catalog, or what was written if the catalog has only a relative of it.
const missing = ({ name, used, matched_text: text }) => (name === used ? `“${text}”` : name);
const quoted = (text) => (text ? h("span", { class: "soft" }, ` from “${text}”`) : null);

// What the cells allow, before a machine starts; the limits are those of the confidence (docs/science.md).
function power(interpretation, donors) {
  const few = interpretation.caveats.some((each) => each.code === "few_cells");
  if (interpretation.perturbation.evidence === "related_perturbation") return `low: ${missing(interpretation.perturbation)} was not measured`;
  if (few) return "low: few cells, so only large changes stand out";
  if (donors < 2) return "low: one donor cannot show how much people differ";
  if (donors === 2) return "moderate: two donors cannot show how much others differ";
  return `as good as ${donors} donors allow`;
}
