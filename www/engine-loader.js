// A worker of the engine. In: first { module }, the compiled engine_bg.wasm,
// then what src/engine/protocol.rs says. Out: the engine's replies.
//
// The engine's main() sets its onmessage before initSync returns, and a worker
// gets no message before its imports are there, so none is ever lost.

import { initSync } from "./engine.js";

// A trap in asynchronous code is a rejected promise, which stays in the worker;
// the page learns only of errors.
self.addEventListener("unhandledrejection", ({ reason }) => self.reportError(reason));

self.addEventListener("message", ({ data }) => initSync({ module: data.module }), { once: true });
