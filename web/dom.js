// Build elements. Text becomes text nodes and never HTML, so nothing that a person typed can become markup.

export const h = (tag, attributes, ...children) => made(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) =>
  made(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return element;
}

// Announce a change to screen readers.
export function say(text) {
  document.getElementById("said").textContent = text;
}

export function table(caption, heads, rows, attributes) {
  return h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption },
    h("table", attributes,
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col", class: head.number && "n" }, head.text ?? head)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, at) =>
        at === 0 ? h("th", { scope: "row" }, cell) : h("td", { class: heads[at].number && "n" }, cell)))))));
}

export function copyButton(text, label, title) {
  return h("button", { type: "button", class: "small", title, click: async (event) => {
    try {
      await navigator.clipboard.writeText(text);
      event.target.textContent = "Copied";
      say("Copied");
    } catch {
      event.target.textContent = "Select the text and copy it";
    }
  } }, label);
}
