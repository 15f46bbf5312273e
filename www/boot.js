// Starts the page: looks at what the browser can do, says kindly what it
// cannot, then loads the page's WebAssembly and, last, the service worker.
//
// What the page finds when it starts (its half of the contract):
//
// <meta name="needledrop-engine">        folder of the engine, ends with "/", relative to
//                                        the document: engine-loader.js (start it as a module
//                                        worker), engine.js, engine_bg.wasm (compile it once,
//                                        post it to every worker as { module }) and
//                                        capture-worklet.js (the microphone's)
// <meta name="needledrop-engine-bytes">  size of engine_bg.wasm, for progress: a compressed
//                                        download's Content-Length is not its size
// <meta name="needledrop-model">         address of the weights, relative to the document
// <meta name="needledrop-model-bytes">   their size
// <meta name="needledrop-papers">        the paper's network, likewise, fetched once it is asked for
// <meta name="needledrop-papers-bytes">  its size
// <meta name="needledrop-language">      folder of the languages, ends with "/", relative to the
//                                        document: a file for each that is not compiled in
// <meta name="needledrop-data">          folder of the numbers that views show, likewise
// <script id="boot-sentences">           what is said here: "boot." of www/language/*.json, an
//                                        object a language, keys without that prefix
// <div id="app">                         where the page mounts; it takes #boot away as it does
// window.needledrop.can                  what the browser can do: { secure, gpu, microphone,
//                                        offline }, all booleans
// window.needledropTakeOver()            reloads into the waiting new version
// window events                          "needledrop-update": a new version waits;
//                                        "needledrop-offline": everything is kept for offline.
//                                        Both may come before the page listens, so <html> keeps
//                                        them as data-update="waiting", data-offline="ready"

const status = document.getElementById("boot-status");

/** How long a page that could not be kept waits before it tries again, in ms; then twice as long. */
const FIRST_WAIT = 60_000;

/** Where the page keeps the reader's choice of language (src/page/words/language.rs). */
const CHOICE = "needledrop-language";

const SENTENCES = JSON.parse(document.getElementById("boot-sentences").textContent);

const language = preferred();
const says = SENTENCES[language];

/** The reader's choice, else the first of the browser's languages that is here. */
function preferred() {
  let kept;
  try {
    kept = localStorage.getItem(CHOICE);
  } catch { /* a browser that keeps nothing */ }
  const wanted = [kept, ...navigator.languages].map((tag) => tag?.split("-")[0].toLowerCase());
  return wanted.find((code) => Object.keys(SENTENCES).includes(code)) ?? "en";
}

/** Puts what stands in the document already, in English, in the reader's language. */
function translate() {
  document.documentElement.lang = language;
  for (const place of document.querySelectorAll("[data-says]")) {
    place.textContent = says[place.dataset.says];
  }
}

/** What the page cannot be without: [there, the sentence of what it is]. */
function needs() {
  return [
    [typeof WebAssembly === "object", "web_assembly"],
    [hasSimd(), "simd"],
    [hasModuleWorkers(), "workers"],
  ];
}

/** What the page can be without: [there, the sentence of what is lost when it is not]. */
function wishes(can) {
  if (!can.secure) {
    return [[false, "insecure"]];
  }
  return [
    [can.gpu, "gpu"],
    [can.microphone, "microphone"],
    [can.offline, "offline"],
  ];
}

/** Whether a module of one function, (i8x16.popcnt (i8x16.splat 0)), is valid. */
function hasSimd() {
  return typeof WebAssembly === "object" && WebAssembly.validate(new Uint8Array([
    0, 97, 115, 109, 1, 0, 0, 0, // magic, version
    1, 5, 1, 96, 0, 1, 123, // type: () -> v128
    3, 2, 1, 0, // function 0 is of it
    10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11, // its code
  ]));
}

/** Only a browser that knows module workers asks for the type; the invalid
 *  address stops it before it starts one. */
function hasModuleWorkers() {
  let asked = false;
  try {
    new Worker("https://[", { get type() { asked = true; return "module"; } });
  } catch { /* as meant */ }
  return asked;
}

function capabilities() {
  return {
    secure: window.isSecureContext,
    gpu: "gpu" in navigator,
    microphone: Boolean(navigator.mediaDevices?.getUserMedia) && "AudioWorkletNode" in window,
    offline: "serviceWorker" in navigator,
  };
}

function say(sentence) {
  status.textContent = sentence;
}

/** Says sentences after those that have been said, and unsays others. */
function note(names, overcome = []) {
  const list = document.getElementById("boot-notes");
  for (const name of overcome) list.querySelector(`[data-says="${name}"]`)?.remove();
  list.append(...names.map((name) => {
    const item = document.createElement("li");
    item.dataset.says = name;
    return item;
  }));
  sayNotes();
  list.hidden = list.childElementCount === 0;
}

/** Puts the notes in the language that the page is in now. */
function sayNotes() {
  const sentences = SENTENCES[document.documentElement.lang] ?? says;
  for (const item of document.querySelectorAll("#boot-notes [data-says]")) {
    item.textContent = sentences[item.dataset.says];
  }
}

function absent(pairs) {
  return pairs.filter(([there]) => !there).map(([, name]) => name);
}

async function startPage() {
  const page = document.querySelector('meta[name="needledrop-page"]');
  const { default: init } = await import(new URL(page.content, document.baseURI).href);
  await init({ module_or_path: new URL(page.dataset.wasm, document.baseURI) });
}

function announce(what, value) {
  document.documentElement.dataset[what] = value;
  window.dispatchEvent(new CustomEvent(`needledrop-${what}`));
}

/** Registers the service worker and tells of what it has ready. Throws where the first
 *  of all cannot be installed. */
async function keepForOffline() {
  const workers = navigator.serviceWorker;
  const registration = await workers.register("sw.js", { updateViaCache: "none" });
  const look = () => {
    if (registration.waiting && workers.controller) announce("update", "waiting");
  };
  let giveUp;
  const failed = new Promise((_, reject) => { giveUp = reject; });
  const follow = (worker) => worker?.addEventListener("statechange", () => {
    look();
    if (worker.state === "redundant" && !registration.active) giveUp(new Error("not installed"));
  });
  registration.addEventListener("updatefound", () => follow(registration.installing));
  follow(registration.installing);
  look();

  window.needledropTakeOver = () => {
    // A version that takes over under a page of the old one must not be mixed
    // with it: the page starts anew as soon as it has.
    workers.addEventListener("controllerchange", () => location.reload(), { once: true });
    if (registration.waiting) registration.waiting.postMessage("take-over");
    // It has taken over already, for another tab.
    else location.reload();
  };

  await Promise.race([workers.ready, failed]);
  announce("offline", "ready");
  workers.controller?.postMessage("tidy");
}

async function boot() {
  translate();
  document.getElementById("boot-late").remove();
  const missing = absent(needs());
  if (missing.length > 0) {
    say(says.cannot.replace("{missing}", missing.map((name) => says[name]).join("; ")));
    return;
  }
  const can = capabilities();
  window.needledrop = { can };
  note(absent(wishes(can)));
  new MutationObserver(sayNotes).observe(document.documentElement, { attributeFilter: ["lang"] });
  try {
    await startPage();
  } catch (error) {
    say(says.not_loaded);
    throw error;
  }
  if (!can.secure || !can.offline) return;
  for (let wait = FIRST_WAIT, failed = false; ; wait *= 2, failed = true) {
    try {
      await keepForOffline();
      if (failed) note([], ["not_kept"]);
      return;
    } catch {
      // So do browsers that were told to trust a certificate only this once.
      if (!failed) note(["not_kept"]);
      await new Promise((again) => { setTimeout(again, wait); });
    }
  }
}

boot();
