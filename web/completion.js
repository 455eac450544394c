// Completion of names in a text field, for the words before the cursor.
import { h, say } from "./dom.js";

const MOST = 8;

export function complete(field, loading, signal) {
  const list = h("ul", { id: "completions", role: "listbox", "aria-label": "Names in the catalog", hidden: true });
  // A text area keeps its role, which has no aria-expanded.
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-controls", "completions");
  field.after(list);
  let terms = [];
  let found = [];
  let active = -1;
  loading.then((loaded) => { terms = loaded; }).catch(() => {}); // without names, the field is a plain one

  field.addEventListener("input", () => look());
  field.addEventListener("blur", () => close());
  field.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) mark((active + step + found.length) % found.length);
    else if ((event.key === "Enter" || event.key === "Tab") && active >= 0) insert(found[active]);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  }, { signal });

  // The longest run of up to four words before the cursor that starts a name; names that start so come first.
  function look() {
    const before = field.value.slice(0, field.selectionStart ?? field.value.length);
    found = [];
    for (const match of before.matchAll(/(?<![\p{L}\p{N}-])(?=[\p{L}\p{N}])/gu)) {
      const typed = before.slice(match.index);
      if (typed.length < 2 || typed.split(" ").length > 4) continue;
      const low = typed.toLowerCase();
      found = terms.flatMap((term) => {
        const name = [term.name, ...term.others].find((each) => each.toLowerCase().startsWith(low));
        return name && !exact(term, low) ? [{ ...term, as: name === term.name ? "" : name, from: match.index, to: before.length }] : [];
      }).slice(0, MOST);
      if (found.length > 0) break;
    }
    active = -1;
    field.removeAttribute("aria-activedescendant");
    list.replaceChildren(...found.map((each, at) => h("li", { id: `completion-${at}`, role: "option", "aria-selected": "false",
      mousedown: (event) => { event.preventDefault(); insert(each); } },
      each.name, h("span", { class: "soft" }, ` ${each.as ? `(${each.as}) · ` : "· "}${each.kind}`))));
    list.hidden = found.length === 0;
    if (found.length > 0) say(`${found.length} names: use the arrow keys`);
  }

  const exact = (term, low) => [term.name, ...term.others].some((each) => each.toLowerCase() === low);

  function mark(at) {
    active = at;
    [...list.children].forEach((each, index) => each.setAttribute("aria-selected", String(index === at)));
    field.setAttribute("aria-activedescendant", `completion-${at}`);
    list.children[at].scrollIntoView({ block: "nearest" });
  }

  function insert({ name, kind, from, to }) {
    const text = kind === "cell type" && !/s$/.test(name) ? `${name}s` : name;
    field.setRangeText(text, from, to, "end");
    close();
    field.dispatchEvent(new Event("input"));
    close();
  }

  function close() {
    list.hidden = true;
    field.removeAttribute("aria-activedescendant");
  }
}
