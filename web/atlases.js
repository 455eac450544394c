// Atlases: what is ingested, with numbers, and what can be asked about.
import { metadata } from "./api.js";
import { h, table } from "./dom.js";
import { count, familiar, number } from "./words.js";

export async function atlases(frame) {
  frame.append(h("h1", {}, "Atlases"));
  const names = await metadata("datasets");
  const all = await Promise.all(names.map((name) => metadata(`datasets/${encodeURIComponent(name)}`)));
  const ingested = all.filter((each) => each.ingested);
  const known = all.filter((each) => !each.ingested);
  if (ingested.length === 0) frame.append(h("p", { class: "note mind" },
    "No atlas is ingested yet, so no question can be answered. An operator ingests one with python -m orchestrator.ingest."));
  for (const each of ingested) frame.append(await card(each));
  if (known.length > 0) {
    frame.append(h("details", {}, h("summary", {}, `Known by name, not ingested (${known.length})`),
      h("p", { class: "soft" }, "Their names help to read questions. No question can be answered from their cells."),
      h("ul", {}, known.map((each) => h("li", {}, h("strong", {}, each.title), ` (${each.name}): ${each.description}`)))));
  }
}

async function card(set) {
  const of = `?dataset=${encodeURIComponent(set.name)}`;
  const [types, causes] = await Promise.all([metadata(`cell-types${of}`), metadata(`perturbations${of}`)]);
  const facts = [
    ["Cells", number(set.cells)], ["Genes", number(set.genes)], ["Donors", number(set.donors.length)],
    ["Cell types", number(set.cell_types)], ["Perturbations", number(set.perturbations)], ["Control",
      set.control_conditions.join(", ") || "none"],
  ];
  const ask = (name, question) => h("a", { href: `/?q=${encodeURIComponent(question)}` }, name);
  const [type, cause] = [types[0]?.name, familiar(causes)[0]?.name];
  return h("section", { class: "card" },
    h("h2", {}, set.title), h("p", { class: "soft" }, set.name),
    set.semi_synthetic && h("p", { class: "note mind" }, "The perturbed cells are simulated: answers show how the service works, not biology."),
    h("dl", { class: "numbers" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    h("p", {}, set.description),
    h("p", { class: "soft" }, `Source: ${set.source}. License: ${set.licence}.`),
    h("details", {}, h("summary", {}, `What you can ask about: ${count(types.length, "cell type")}, ${count(causes.length, "perturbation")}`),
      h("div", { class: "pair" },
        types.length > 0 && table(`Cell types of ${set.name}`, ["Name", { text: "Cells in this atlas", number: true }],
          types.map((each) => [cause ? ask(each.name, `How would ${each.name}s respond to ${cause}?`) : each.name,
            number(each.cell_count)])),
        causes.length > 0 && table(`Perturbations of ${set.name}`, ["Name", "Kind", { text: "Cells in this atlas", number: true }],
          causes.map((each) => [type ? ask(each.name, `How would ${type}s respond to ${each.name}?`) : each.name, each.type,
            number(each.cell_count)])))));
}
