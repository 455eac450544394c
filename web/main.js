// The shell: routes, links, the title, and errors as sentences.
import { Refused, SignedOut } from "./api.js";
import { ask } from "./ask.js";
import { atlases } from "./atlases.js";
import { compare } from "./compare.js";
import { h } from "./dom.js";
import { run } from "./run.js";
import { runs } from "./runs.js";

const ROUTES = [
  [/^\/$/, ask, "Ask", "/"],
  [/^\/runs\/?$/, runs, "Runs", "/runs"],
  [/^\/runs\/([^/]+)\/?$/, run, "Run", "/runs"],
  [/^\/compare\/?$/, compare, "Compare", "/runs"],
  [/^\/atlases\/?$/, atlases, "Atlases", "/atlases"],
];
const main = document.getElementById("main");
let leaving = new AbortController();

export function go(address, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", address);
  show();
}

async function show({ first = false } = {}) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [pattern, view, title, place] = ROUTES.find(([each]) => each.test(location.pathname)) ?? ROUTES[0];
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === place) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${title} · HAYSTACK`;
  const frame = h("div", {});
  main.replaceChildren(frame);
  if (!first) {
    window.scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
  try {
    await view(frame, { params: pattern.exec(location.pathname)?.slice(1) ?? [], query: new URLSearchParams(location.search), signal, go });
  } catch (error) {
    if (!signal.aborted) frame.append(failure(error));
  }
}

function failure(error) {
  if (error instanceof SignedOut) {
    return h("div", { class: "note blocking", role: "alert" }, h("p", {}, error.message),
      h("p", {}, h("a", { class: "button", href: location.href, "data-load": "page" }, "Sign in")));
  }
  const known = error instanceof Refused;
  if (!known) console.error(error);
  return h("div", { class: "note blocking", role: "alert" },
    h("p", {}, known ? error.message : "This page failed unexpectedly. Load it again; if it fails again, report what you did."),
    known && error.problem.request_id && error.status >= 500 && h("p", { class: "soft" }, `Request ${error.problem.request_id}`));
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.origin !== location.origin || link.target || link.download || link.dataset.load || link.hash) return;
  event.preventDefault();
  go(link.pathname + link.search);
});
window.addEventListener("popstate", () => show());
show({ first: true });
