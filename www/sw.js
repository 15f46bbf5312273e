// Keeps the page for offline use. A template: scripts/postbuild.sh writes every
// file of the build into FILES, with its digest, and so no version of the page
// is ever mixed with another's engine or weights.
//
// A version is installed as a whole or not at all (but for the GPU's engine, which
// most never need and which is kept once it was asked for), and waits until the page
// asks it to take over ("take-over") or the last page of the old one is closed.
// A page that has just started asks it to forget older ones ("tidy") and to keep what was
// asked for before it answered.

const FILES = [/* [address, digest, whether its name changes with its content, whether it is kept only once asked for], ... */];
const VERSION = "";

// Several such pages may live on one origin, under different paths.
const PREFIX = `needledrop ${self.registration.scope} `;
const CACHE = PREFIX + VERSION;

// What a share sheet handed over, until the page takes it (src/page/app.rs).
const SHARED = `needledrop-shared ${self.registration.scope}`;

const ours = async () => (await caches.keys()).filter((name) => name.startsWith(PREFIX));

/** The file from an older version, where its name says that it is the same,
 *  else from the network, checked against its digest. */
async function obtain([path, integrity, versioned]) {
  const url = new URL(path, self.registration.scope).href;
  const kept = versioned && await find(url, await ours());
  if (kept) return [url, kept];
  const response = await fetch(url, { cache: versioned ? "default" : "reload", integrity });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return [url, plain(response)];
}

/** A response that went through a redirect may not answer a navigation. */
function plain(response) {
  return response.redirected ? new Response(response.body, { headers: response.headers }) : response;
}

/** The file as the browser's own cache has it, or nothing: what a page asked for before
 *  this worker answered it, as on a first visit, and without asking the network again. */
async function remembered([path, integrity]) {
  const url = new URL(path, self.registration.scope).href;
  try {
    const response = await fetch(url, { cache: "only-if-cached", mode: "same-origin", integrity });
    return response.ok ? [url, plain(response)] : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps what was asked for on demand before this worker answered. */
async function catchUp() {
  const cache = await caches.open(CACHE);
  for (const file of FILES.filter(([, , , onDemand]) => onDemand)) {
    if (await cache.match(new URL(file[0], self.registration.scope).href)) continue;
    const found = await remembered(file);
    if (found) await cache.put(...found);
  }
}

async function find(url, names) {
  for (const name of names) {
    const found = await (await caches.open(name)).match(url, { ignoreVary: true });
    if (found) return found;
  }
  return undefined;
}

async function install() {
  // Where a host went back to it, this version may be the one in use.
  const had = await caches.has(CACHE);
  try {
    const cache = await caches.open(CACHE);
    for (const file of FILES.filter(([, , , onDemand]) => !onDemand)) await cache.put(...await obtain(file));
    // Of what is kept on demand, what an older version has is taken over.
    for (const [path] of FILES.filter(([, , , onDemand]) => onDemand)) {
      const url = new URL(path, self.registration.scope).href;
      const kept = await find(url, await ours());
      if (kept) await cache.put(url, kept);
    }
  } catch (error) {
    if (!had) await caches.delete(CACHE);
    throw error;
  }
}

/** Forgets the other versions, unless one is on its way in, or a second tab may
 *  still show one that was and start its workers again. */
async function tidy() {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  // Those of the whole origin, which may have other sites.
  const pages = windows.filter(({ url }) => url.startsWith(self.registration.scope));
  if (self.registration.installing || self.registration.waiting || pages.length > 1) return;
  const others = (await ours()).filter((name) => name !== CACHE);
  await Promise.all(others.map((name) => caches.delete(name)));
}

async function answer(event) {
  const { request } = event;
  const url = new URL(request.url);
  url.search = "";
  url.hash = "";
  const names = [CACHE, ...(await ours()).filter((name) => name !== CACHE).reverse()];
  const found = await find(url.href, names);
  if (found) return found;
  // Other pages may lie beside this one, below its folder.
  const root = url.href === new URL("index.html", self.registration.scope).href
    && await find(self.registration.scope, names);
  if (root) return root;
  const onDemand = FILES.find(([path, , , onDemand]) =>
    onDemand && new URL(path, self.registration.scope).href === url.href);
  if (!onDemand) return fetch(request);
  const [, response] = await obtain(onDemand).catch(async (error) => {
    const found = await remembered(onDemand);
    if (!found) throw error;
    return found;
  });
  const copy = response.clone();
  // Where there is no room for it, it is fetched again next time.
  event.waitUntil(caches.open(CACHE).then((cache) => cache.put(url.href, copy)).catch(() => {}));
  return response;
}

/** Keeps the files of a share (share_target of manifest.webmanifest), each share by itself, and
 *  opens the page, which takes them. */
async function receive(request) {
  const form = await request.formData();
  const files = form.getAll("songs").filter((song) => song instanceof File);
  const share = Date.now();
  // Those that no page came for go with a later one.
  const isLeft = (name) => name === SHARED
    || name.startsWith(`${SHARED} `) && !(share - name.slice(SHARED.length) < 3600e3);
  for (const name of (await caches.keys()).filter(isLeft)) await caches.delete(name);
  const cache = await caches.open(`${SHARED} ${share}`);
  // A folder each: two songs may have one name. Where there is no room for them the page says that none came.
  await Promise.all(files.map((file, index) =>
    cache.put(new URL(`share/${index}/${encodeURIComponent(file.name)}`, self.registration.scope), new Response(file)))).catch(() => caches.delete(`${SHARED} ${share}`));
  return Response.redirect(new URL(`./?shared=${share}#listen`, self.registration.scope), 303);
}

self.addEventListener("install", (event) => event.waitUntil(install()));
// Where there is no room for what is on demand, it is asked for again when it is wanted.
const later = () => catchUp().catch(() => {});
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim().then(later)));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method === "POST" && origin + pathname === new URL("share", self.registration.scope).href) {
    event.respondWith(receive(request));
  }
  if (request.method === "GET" && request.url.startsWith(self.registration.scope)) {
    event.respondWith(answer(event));
  }
});
self.addEventListener("message", (event) => {
  if (event.data === "take-over") event.waitUntil(self.skipWaiting());
  if (event.data === "tidy") event.waitUntil(tidy().then(later));
});
