// Serves the built page and the peers, opens scripts/peers/race.mjs in headless
// Chromium, and prints what it measured as a table.
//
// In: the folder of the built page, that of the peers' packages and the file for the
// numbers, from scripts/bench-peers.sh. Out: the table and the numbers as JSON, or an
// error and exit status 1.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { cpus, loadavg, tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";

const [dist, packages, out] = process.argv.slice(2);
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

/** What was measured, each number once. Times are milliseconds a clip. */
function summary({ networks, rounds }, load, chromium) {
  return {
    format: "needledrop peers",
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} cores of ${cpus()[0].model}`,
    load_before: load,
    chromium,
    "onnxruntime-web": version("onnxruntime-web"),
    "@tensorflow/tfjs": version("@tensorflow/tfjs"),
    threads: 1,
    batch: 1,
    rounds,
    networks: networks.map(({ name, racers }) => {
      const judge = racers.find(({ name }) => name.startsWith("onnxruntime-web"));
      return {
        name,
        racers: racers.map(({ name, times, difference }) => ({
          name,
          median: quantile(times, 0.5),
          fastest: quantile(times, 0),
          slowest: quantile(times, 1),
          // A ratio of the same round has the same neighbours on the machine.
          of_onnxruntime_web: quantile(times.map((time, round) => time / judge.times[round]), 0.5),
          logits_within: difference,
        })),
      };
    }),
  };
}

function print(measured) {
  console.log(`${measured.date}, ${measured.machine}, load before ${measured.load_before.toFixed(1)};`);
  console.log(`Chromium ${measured.chromium}, onnxruntime-web ${measured["onnxruntime-web"]}, TF.js ${measured["@tensorflow/tfjs"]}; one thread each,`);
  console.log(`milliseconds a clip, ${measured.rounds} rounds in turns, batch 1`);
  for (const { name, racers } of measured.networks) {
    console.log(`\n${name.padEnd(30)}  median  fastest  slowest  of onnxruntime-web  logits within`);
    for (const { name, median, fastest, slowest, of_onnxruntime_web, logits_within } of racers) {
      const cells = [median, fastest, slowest].map((time) => time.toFixed(1).padStart(7)).join("  ");
      console.log(`${name.padEnd(30)} ${cells}  ${of_onnxruntime_web.toFixed(2).padStart(18)}  ${logits_within.toExponential(1).padStart(13)}`);
    }
  }
}

const [program, chromium] = findBrowser();
const load = loadavg()[0];
const result = await race(program);
if (result.error) throw new Error(result.error);
const measured = summary(result, load, chromium);
print(measured);
const strangers = result.networks.flatMap(({ racers }) => racers).filter(({ difference }) => !(difference < TOLERANCE));
if (strangers.length > 0) throw new Error(`another network: ${strangers.map(({ name }) => name)}`);
writeFileSync(out, `${JSON.stringify(measured, null, 2)}\n`);
