// Deleting a finished run: a dialog says what is lost, and deletes only when asked to.
import { remove } from "./api.js";
import { h, say } from "./dom.js";

export function deleteButton(run, deleted, small = "") {
  return h("button", { type: "button", class: small, "data-delete": run.run_id, click: () => ask(run, deleted) }, "Delete");
}

function ask(run, deleted) {
  const problem = h("p", { class: "no", role: "alert" });
  const keep = h("button", { type: "button", autofocus: true, click: () => dialog.close() }, "Keep the run");
  const sure = h("button", { type: "button", class: "danger", click: send }, "Delete for good");
  const files = run.status === "completed" ? "Its result, its report and all its files are deleted with it. " : "It has no result. ";
  const dialog = h("dialog", { "aria-labelledby": "deletion", "aria-describedby": "lost", close: () => dialog.remove() },
    h("h2", { id: "deletion" }, "Delete this run?"),
    h("p", {}, h("strong", {}, run.query)),
    h("p", { id: "lost" }, files, "Links to the run stop working. This cannot be undone."),
    problem, h("p", { class: "line" }, keep, sure));
  document.body.append(dialog);
  dialog.showModal();

  async function send() {
    keep.disabled = sure.disabled = true;
    sure.textContent = "Deleting …";
    try {
      await remove(run.run_id);
    } catch (error) {
      if (error.status !== 404) { // a run that is gone already is what was asked for
        problem.replaceChildren(error.message);
        keep.disabled = sure.disabled = false;
        sure.textContent = "Delete for good";
        return;
      }
    }
    dialog.close();
    say("The run is deleted");
    deleted();
  }
}
