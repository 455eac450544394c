// Submits a question and polls its run until it is done, with types generated from docs/openapi.yaml.
// Usage: node build/ask.js URL [TOKEN]; TOKEN is for a service behind IAP, from `haystack token`.

import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type RunStatus = components["schemas"]["RunStatus"];

const QUESTION = "How would CD14 monocytes respond to IFN-gamma?";
const LIMIT_MS = 120_000;

class Refused extends Error {
  constructor(problem: components["schemas"]["Problem"]) {
    super(`${problem.status} ${problem.code}: ${problem.detail} (request ${problem.request_id})`);
  }
}

const [url, token] = process.argv.slice(2);
if (url === undefined) throw new Error("Usage: node build/ask.js URL [TOKEN]");
const client = createClient<paths>({
  baseUrl: url,
  headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
});

async function submit(): Promise<RunStatus> {
  const { data, error } = await client.POST("/api/v1/runs", {
    body: { query: QUESTION, max_iterations: 2 },
    params: { header: { "Idempotency-Key": crypto.randomUUID() } },
  });
  if (error) throw new Refused(error);
  if ("would_run" in data) throw new Error("unexpected preview");
  return data;
}

// The service answers each poll when the run changes, or after ten seconds with 304.
async function follow(run: RunStatus): Promise<RunStatus> {
  const deadline = Date.now() + LIMIT_MS;
  let polls = 0;
  let unchanged = 0;
  let tag: string | undefined;
  while (!run.done) {
    if (Date.now() > deadline) throw new Error(`${run.run_id} is still ${run.status}`);
    const { data, error, response } = await client.GET("/api/v1/runs/{run_id}", {
      params: {
        path: { run_id: run.run_id },
        query: { wait: 10 },
        header: tag === undefined ? {} : { "If-None-Match": tag },
      },
    });
    polls += 1;
    if (response.status === 304) {
      unchanged += 1;
      continue;
    }
    if (error) throw new Refused(error);
    tag = response.headers.get("etag") ?? undefined;
    run = data;
    console.log(`${run.status.padEnd(9)} ${run.current_phase ?? ""} ${run.grounding_scores.map((score) => score ?? "–").join(" ")}`.trimEnd());
  }
  console.log(`done after ${polls} polls, ${unchanged} of them 304`);
  return run;
}

async function main(): Promise<void> {
  const run = await submit();
  console.log(`${run.run_id} ${run.status}`);
  const finished = await follow(run);
  if (finished.status !== "completed") throw new Error(`${finished.status}: ${finished.error_message ?? ""}`);
  const path = { run_id: run.run_id };
  const { data: result, error } = await client.GET("/api/v1/runs/{run_id}/result", { params: { path } });
  if (error) throw new Refused(error);
  const genes = result.top_upregulated.slice(0, 5).map((change) => change.gene);
  console.log(`score ${result.grounding_score ?? "not judged"}, ${result.num_de_genes} genes, up: ${genes.join(", ")}`);
  for (const file of result.files) {
    const bytes = (await (await fetch(file.url)).arrayBuffer()).byteLength;
    if (bytes !== file.size) throw new Error(`${file.name} has ${bytes} bytes, not ${file.size}`);
    console.log(`${file.name} ${bytes} bytes`);
  }
  const { error: refusal } = await client.POST("/api/v1/runs/{run_id}/cancel", { params: { path } });
  if (refusal?.code !== "run_already_finished") throw new Error("a completed run could be cancelled");
  const { data: page } = await client.GET("/api/v1/runs", { params: { query: { status: ["completed"], page_size: 5 } } });
  if (!page?.runs.some((listed) => listed.run_id === run.run_id)) throw new Error("the run is not listed");
  console.log(`listed among ${page.total}`);
}

await main();
