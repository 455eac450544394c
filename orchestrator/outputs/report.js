"use strict";
// The report is complete without this script, which adds gene names on hover and focus, the search, sorting, downloads of plots, and the theme button.
// Text from the run is only set as text content, never as markup.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const NEAR = 14; // maximum distance from the pointer to a dot, in screen pixels
  const MAX_SUGGESTIONS = 20;
  const byId = (id) => document.getElementById(id);
  const measured = JSON.parse(byId("measured").textContent);
  const plot = byId("volcano");

  const theme = byId("theme");
  const isDark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; nameTheme(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
  nameTheme();
  theme.hidden = false;

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    const key = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort") !== "ascending";
      const numeric = head.classList.contains("n");
      const order = (a, b) => (numeric ? key(a, column) - key(b, column) : key(a, column).localeCompare(key(b, column)));
      const rows = [...table.tBodies[0].rows].sort((a, b) => (rising ? order(a, b) : order(b, a)));
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      table.tBodies[0].append(...rows);
    }));
  }

  // The attributes that a plot has by its style sheet; a file of its own has no style sheet.
  const STYLES = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "opacity", "paint-order", "font-family", "font-size", "font-weight"];
  function standalone(plot) {
    const { width, height } = plot.viewBox.baseVal;
    const copy = plot.cloneNode(true);
    const originals = [plot, ...plot.querySelectorAll("*")];
    [copy, ...copy.querySelectorAll("*")].forEach((mark, i) => {
      const style = getComputedStyle(originals[i]);
      if (style.display === "none" && mark !== copy) return mark.remove();
      if (mark.localName !== "title") for (const name of STYLES) mark.setAttribute(name, style.getPropertyValue(name));
      for (const { name } of [...mark.attributes]) if (/^(class|id|tabindex|data-.*)$/.test(name)) mark.removeAttribute(name);
    });
    const paper = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ width, height, fill: getComputedStyle(document.body).backgroundColor })) paper.setAttribute(name, value);
    copy.prepend(paper);
    copy.setAttribute("xmlns", SVG);
    copy.setAttribute("width", width);
    copy.setAttribute("height", height);
    return new XMLSerializer().serializeToString(copy);
  }
  for (const each of document.querySelectorAll("svg[data-plot]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "save";
    button.textContent = "Download SVG";
    button.setAttribute("aria-label", `Download SVG: ${each.dataset.plot}`);
    button.addEventListener("click", () => {
      const chosen = document.documentElement.dataset.theme;
      document.documentElement.dataset.theme = "light"; // for paper and slides
      const content = standalone(each);
      if (chosen) document.documentElement.dataset.theme = chosen; else delete document.documentElement.dataset.theme;
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([content], { type: "image/svg+xml" }));
      link.download = `${document.body.dataset.run}_${each.dataset.plot}.svg`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
    (each.closest(".wide") ?? each).after(button);
  }

  const { low, high, top, left, right, upper, lower } = Object.fromEntries(Object.entries(plot.dataset).map(([name, value]) => [name, Number(value)]));
  const dots = new Map([...plot.querySelectorAll(".dot")].map((dot) => [Number(dot.dataset.gene), dot]));
  const named = [...plot.querySelectorAll(".dot[tabindex]")];
  const ring = byId("ring");
  const held = byId("held");
  const tip = byId("tip");
  const readout = byId("readout");
  const hint = readout.textContent;

  const signed = (number) => (number < 0 ? "−" : "+") + Math.abs(number).toFixed(2);
  const shownP = (p) => (p >= 0.001 ? p.toFixed(3) : p > 1e-300 ? p.toExponential(1).replace("-", "−") : "< 1e−300");
  const described = (i) => `${measured.genes[i]}: log2 fold change ${signed(measured.change[i])}, adjusted p ${shownP(measured.adjusted[i])}`;
  const put = (mark, dot) => {
    mark.setAttribute("cx", dot.getAttribute("cx"));
    mark.setAttribute("cy", dot.getAttribute("cy"));
    mark.classList.remove("off");
  };

  function show(dot) {
    const gene = Number(dot.dataset.gene);
    const x = Number(dot.getAttribute("cx"));
    const onLeft = x > (left + right) / 2;
    put(ring, dot);
    tip.textContent = measured.genes[gene];
    tip.setAttribute("x", onLeft ? x - 12 : x + 12);
    tip.setAttribute("y", Number(dot.getAttribute("cy")) - 10);
    tip.setAttribute("text-anchor", onLeft ? "end" : "start");
    tip.classList.remove("off");
    plot.classList.add("pointing");
    readout.textContent = described(gene);
  }
  function hide() {
    ring.classList.add("off");
    tip.classList.add("off");
    plot.classList.remove("pointing");
    readout.textContent = hint;
  }
  function nearest(event) {
    const toScreen = plot.getScreenCTM();
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(toScreen.inverse());
    let found = null;
    let least = NEAR / toScreen.a;
    for (const dot of dots.values()) {
      const gap = Math.hypot(dot.cx.baseVal.value - at.x, dot.cy.baseVal.value - at.y) + (dot.hasAttribute("tabindex") ? 0 : 3);
      if (gap < least) [found, least] = [dot, gap];
    }
    return found;
  }
  const follow = (event) => { const dot = nearest(event); if (dot) show(dot); else hide(); };
  const frame = plot.parentElement; // an svg that listens for focus would itself be a tab stop
  plot.addEventListener("pointermove", follow);
  plot.addEventListener("pointerdown", follow);
  plot.addEventListener("pointerleave", hide);
  frame.addEventListener("focusin", (event) => { if (event.target.matches(".dot")) show(event.target); });
  frame.addEventListener("focusout", hide);
  frame.addEventListener("keydown", (event) => {
    const here = named.indexOf(document.activeElement);
    const steps = { ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here - 1, ArrowUp: here - 1, Home: 0, End: named.length - 1 };
    if (event.key === "Escape") hide();
    const next = named[steps[event.key]];
    if (here < 0 || !next) return;
    event.preventDefault();
    named[here].setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });

  const search = byId("search");
  const suggestions = byId("suggestions");
  const answer = byId("found");
  const places = new Map(measured.genes.map((gene, i) => [gene.toUpperCase(), i]));

  function drawn(gene) {
    if (!dots.has(gene)) {
      const dot = document.createElementNS(SVG, "circle");
      const height = Math.min(-Math.log10(Math.max(measured.adjusted[gene], 1e-300)), top);
      dot.setAttribute("class", "dot none");
      dot.setAttribute("r", "2.4");
      dot.setAttribute("cx", left + ((Math.max(low, Math.min(high, measured.change[gene])) - low) / (high - low)) * (right - left));
      dot.setAttribute("cy", lower - (height / top) * (lower - upper));
      dot.dataset.gene = gene;
      byId("background").append(dot);
      dots.set(gene, dot);
    }
    return dots.get(gene);
  }
  function find(text) {
    const gene = places.get(text.trim().toUpperCase());
    held.classList.add("off");
    for (const row of document.querySelectorAll("tr.found")) row.classList.remove("found");
    if (gene === undefined) return false;
    for (const row of document.querySelectorAll("tr[data-gene]")) row.classList.toggle("found", Number(row.dataset.gene) === gene);
    if (!measured.tested[gene]) {
      answer.textContent = `${measured.genes[gene]} has counts in too few of the compared cells and was not tested.`;
      return true;
    }
    put(held, drawn(gene));
    show(drawn(gene));
    answer.textContent = described(gene) + (named.includes(dots.get(gene)) ? "." : "; not called changed.");
    return true;
  }
  search.addEventListener("input", () => {
    const typed = search.value.trim().toUpperCase();
    const fitting = typed ? [...places.keys()].filter((name) => name.startsWith(typed)).sort() : [];
    suggestions.replaceChildren(...fitting.slice(0, MAX_SUGGESTIONS).map((name) => {
      const option = document.createElement("option");
      option.value = measured.genes[places.get(name)];
      return option;
    }));
    if (find(typed)) return;
    hide();
    answer.textContent = !typed ? "" : fitting.length ? `${fitting.length} genes start with this.` : `${search.value.trim()} is not measured in this atlas.`;
  });
})();
