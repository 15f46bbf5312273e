// Serves the built page and the peers, opens scripts/peers/race.mjs in headless
// Chromium, and prints what it measured as a table.
//
// In: the folder of the built page and that of the peers' packages, from
// scripts/bench-peers.sh. Out: the table, or an error and exit status 1.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { cpus, loadavg, tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";

const [dist, packages] = process.argv.slice(2);
const LIMIT_SECONDS = 600;
/** Logits further apart than this are not of the same network. */
const TOLERANCE = 1e-3;
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };
const FOLDERS = { needledrop: dist, packages, race: "scripts/peers" };
const PROTOCOL = readFileSync("src/engine/protocol.rs", "utf8").match(/PROTOCOL_VERSION: u32 = (\d+)/)[1];
const PAGE = `<!doctype html><meta charset="utf-8"><title>peers</title>
<script src="/packages/@tensorflow/tfjs/dist/tf.min.js"></script>
<script src="/packages/@tensorflow/tfjs-backend-wasm/dist/tf-backend-wasm.min.js"></script>
<script type="module" src="/race/race.mjs"></script>`;

/** Answers with the page or a file; a POST is the page's report. */
function answer(request, response, report) {
  if (request.method === "POST") {
    let body = "";
    request.on("data", (part) => (body += part)).on("end", () => {
      response.end();
      report(JSON.parse(body));
    });
    return;
  }
  const [, folder, ...path] = normalize(new URL(request.url, "http://localhost").pathname).split("/");
  if (folder === "") {
    response.writeHead(200, { "content-type": TYPES[".html"] }).end(PAGE);
    return;
  }
  try {
    const file = join(FOLDERS[folder], ...path);
    const body = readFileSync(file);
    response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" }).end(body);
  } catch {
    response.writeHead(404).end();
  }
}

/** The first Chromium there is, and its version. */
function findBrowser() {
  for (const program of ["chromium", "chromium-browser", "google-chrome"]) {
    const version = spawnSync(program, ["--version"], { encoding: "utf8" }).stdout;
    if (version) return [program, version.match(/[\d.]+/)[0]];
  }
  throw new Error("there is no Chromium: 'make test' installs one");
}

/** Opens the page and waits for its report. */
async function race(program) {
  let report;
  const reported = new Promise((resolve) => (report = resolve));
  const server = createServer((request, response) => answer(request, response, report));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const profile = mkdtempSync(join(tmpdir(), "needledrop-peers-"));
  const url = `http://127.0.0.1:${server.address().port}/?protocol=${PROTOCOL}`;
  const browser = spawn(program, [
    "--headless=new", "--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage", `--user-data-dir=${profile}`, url,
  ], { stdio: "ignore" });
  const ended = new Promise((resolve) => browser.once("exit", resolve));
  const timer = setTimeout(() => report({ error: `no answer for ${LIMIT_SECONDS} s` }), LIMIT_SECONDS * 1000);
  ended.then(() => report({ error: "the browser ended" }));
  const result = await reported;
  clearTimeout(timer);
  browser.kill();
  await ended;
  server.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  return result;
}

function quantile(times, share) {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))];
}

function version(name) {
  return JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8")).version;
}

function print({ networks, rounds }, load, chromium) {
  console.log(`${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, ${cpus().length} cores, load before ${load.toFixed(1)};`);
  console.log(`Chromium ${chromium}, onnxruntime-web ${version("onnxruntime-web")}, TF.js ${version("@tensorflow/tfjs")}; one thread each,`);
  console.log(`milliseconds a clip, ${rounds} rounds in turns, batch 1`);
  for (const { name, racers } of networks) {
    const judge = racers.find(({ name }) => name.startsWith("onnxruntime-web"));
    console.log(`\n${name.padEnd(30)}  median  fastest  slowest  of onnxruntime-web  logits within`);
    for (const { name, times, difference } of racers) {
      const cells = [0.5, 0, 1].map((share) => quantile(times, share).toFixed(1).padStart(7)).join("  ");
      // A ratio of the same round has the same neighbours on the machine.
      const ratio = quantile(times.map((time, round) => time / judge.times[round]), 0.5).toFixed(2);
      console.log(`${name.padEnd(30)} ${cells}  ${ratio.padStart(18)}  ${difference.toExponential(1).padStart(13)}`);
    }
  }
}

const [program, chromium] = findBrowser();
const load = loadavg()[0];
const result = await race(program);
if (result.error) throw new Error(result.error);
print(result, load, chromium);
const strangers = result.networks.flatMap(({ racers }) => racers).filter(({ difference }) => !(difference < TOLERANCE));
if (strangers.length > 0) throw new Error(`another network: ${strangers.map(({ name }) => name)}`);
