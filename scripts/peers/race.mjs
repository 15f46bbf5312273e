// The race, in the browser: the page's own engine by both its kernels,
// onnxruntime-web and TF.js run the page's own network and the paper's with the
// shipped weights, clip by clip, in turns.
//
// In: the built page under /needledrop/, the peers under /packages/, TF.js as
// the global tf. Out: a POST of { networks: [{ name, racers: [{ name, times,
// difference }] }], rounds }, milliseconds of each round and the largest
// difference of a logit from the first racer's, or of { error }.

import * as ort from "/packages/onnxruntime-web/dist/ort.wasm.min.mjs";

const ROUNDS = 30;
/** Rounds that count for nothing: the browser optimises code that it sees run. */
const WARM_UP = 5;
/** Added under the root of a deviation over time, src/network/cnn.rs. */
const LEAST_VARIANCE = 1e-5;

const dist = new URL("/needledrop/", location);

/** What the built page says of itself in a <meta>. */
async function built() {
  const text = await (await fetch(new URL("index.html", dist))).text();
  const page = new DOMParser().parseFromString(text, "text/html");
  const named = (name) => new URL(page.querySelector(`meta[name=needledrop-${name}]`).content, dist);
  return { engine: named("engine"), models: [named("model"), named("papers")] };
}

/** A weights file: its bytes, its card, and its network's tensors as { shape, values } in f32. */
async function read(address) {
  const bytes = await (await fetch(address)).arrayBuffer();
  const length = Number(new DataView(bytes).getBigUint64(0, true));
  const { __metadata__, ...header } = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
  const tensor = ({ dtype, shape, data_offsets: [from, to] }) => {
    const content = bytes.slice(8 + length + from, 8 + length + to);
    const values = dtype === "F16" ? Float32Array.from(new Float16Array(content)) : new Float32Array(content);
    return { shape, values };
  };
  const ofNetwork = Object.entries(header).filter(([name]) => /^(conv|dense|logits)/.test(name));
  const card = JSON.parse(__metadata__.card);
  return { bytes, card, tensors: Object.fromEntries(ofNetwork.map(([name, found]) => [name, tensor(found)])) };
}

/** The blocks of a card, with what it leaves out where it is as the paper has it. */
function blocks({ network }) {
  return network.blocks.map(({ kernel, padding, pool = [2, 2] }) => {
    if (padding !== "same") throw new Error(`padding ${padding} is not raced`);
    return { padding: Math.floor(kernel / 2), pool };
  });
}

/** Names of the dense layers, the logits last. */
function dense({ network }) {
  return [...network.dense.map((_, at) => `dense${at}`), "logits"];
}

/** What a network may be shown: [channels, height, width] and [height, width, channels]. */
function shown({ network: { input: [channels, height, width] } }) {
  const cells = height * width;
  const planes = Float32Array.from({ length: channels * cells }, Math.random);
  const pixels = Float32Array.from(planes, (_, at) => planes[(at % channels) * cells + Math.floor(at / channels)]);
  return { planes, pixels };
}

/** A worker of the engine that was asked to load the model. */
async function needledrop(engine, { bytes }, flex) {
  const module = await WebAssembly.compileStreaming(fetch(new URL("engine_bg.wasm", engine)));
  const worker = new Worker(new URL("engine-loader.js", engine), { type: "module" });
  const ask = (body, attachments) => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve({ ...JSON.parse(data.body), attachments: data.attachments });
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage({ body: JSON.stringify(body), attachments });
  });
  const expect = async (answer, body, attachments = []) => {
    const found = await ask(body, attachments);
    if (!(answer in found)) throw new Error(`the engine: ${JSON.stringify(found)}`);
    return found;
  };
  worker.postMessage({ module });
  const protocol = Number(new URLSearchParams(location.search).get("protocol"));
  await expect("ready", { start: { protocol, role: "cpu", flex } });
  await expect("model", { model: { model: 0 } }, [bytes]);
  const run = async ({ planes }) => (await expect("logits", { infer: { ticket: 0, model: 0 } }, [planes])).attachments[0];
  return { run, end: () => worker.terminate() };
}

/** Protocol Buffers: a message of [field, value] pairs; a value is a number, a
 *  string, bytes, or an array of these. https://protobuf.dev/programming-guides/encoding */
function message(fields) {
  const bytes = [];
  const varint = (value) => {
    for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
    bytes.push(value);
  };
  const parts = [];
  const flush = () => parts.push(Uint8Array.from(bytes.splice(0)));
  for (const [field, value] of fields.flatMap(([field, value]) => [value].flat().map((one) => [field, one]))) {
    if (typeof value === "number") {
      varint(field * 8);
      varint(value);
    } else {
      const content = typeof value === "string" ? new TextEncoder().encode(value) : value;
      varint(field * 8 + 2);
      varint(content.length);
      flush();
      parts.push(content);
    }
  }
  flush();
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

/** The network as an ONNX file; the numbers are those of onnx.proto
 *  (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). */
function onnx({ card, tensors }) {
  const FLOAT = 1, INT = 2, INTS = 7;
  const attribute = ([name, value]) =>
    message(Array.isArray(value) ? [[1, name], [8, value], [20, INTS]] : [[1, name], [3, value], [20, INT]]);
  const nodes = [];
  const node = (kind, inputs, attributes = {}) => {
    const output = `value${nodes.length}`;
    nodes.push(message([[1, inputs], [2, output], [4, kind], [5, Object.entries(attributes).map(attribute)]]));
    return output;
  };
  const both = (name) => [`${name}.weight`, `${name}.bias`];
  const constants = { ...tensors, least: { shape: [1], values: Float32Array.of(LEAST_VARIANCE) } };
  let value = "input";
  blocks(card).forEach(({ padding, pool }, layer) => {
    value = node("Conv", [value, ...both(`conv${layer}`)], { pads: Array(4).fill(padding) });
    value = node("MaxPool", [node("Relu", [value])], { kernel_shape: pool, strides: pool });
  });
  if (card.network.pooling === "statistics") {
    const over = { axes: [3] };
    const mean = node("ReduceMean", [value], over);
    const centred = node("Sub", [value, mean]);
    const variance = node("ReduceMean", [node("Mul", [centred, centred])], over);
    const deviation = node("Sqrt", [node("Add", [variance, "least"])]);
    const flat = [mean, node("ReduceMax", [value], over), deviation].map((values) => node("Flatten", [values]));
    value = node("Concat", flat, { axis: 1 });
  } else {
    value = node("Flatten", [value]);
  }
  dense(card).forEach((name, at) => {
    value = node("Gemm", [at === 0 ? value : node("Relu", [value]), ...both(name)], { transB: 1 });
  });
  const initializers = Object.entries(constants).map(([name, { shape, values }]) =>
    message([[1, shape], [2, FLOAT], [8, name], [9, new Uint8Array(values.buffer)]]));
  const tensor = (name, shape) =>
    message([[1, name], [2, message([[1, message([[1, FLOAT], [2, message([[1, shape.map((size) => message([[1, size]]))]])]])]])]]);
  const graph = message([
    [1, nodes], [2, "network"], [5, initializers], [11, tensor("input", [1, ...card.network.input])],
    [12, tensor(value, [1, card.network.classes])],
  ]);
  return message([[1, 9], [7, graph], [8, message([[1, ""], [2, 17]])]]);
}

async function onnxruntime(weights) {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/packages/onnxruntime-web/dist/";
  const session = await ort.InferenceSession.create(onnx(weights), { executionProviders: ["wasm"] });
  const shape = [1, ...weights.card.network.input];
  const run = async ({ planes }) => {
    const outputs = await session.run({ input: new ort.Tensor("float32", planes, shape) });
    return outputs[session.outputNames[0]].data;
  };
  return { run, end: () => session.release() };
}

/** TF.js keeps channels last, in kernels and maps. */
async function tfjs({ card, tensors }) {
  tf.wasm.setWasmPaths("/packages/@tensorflow/tfjs-backend-wasm/dist/");
  tf.wasm.setThreadsCount(1);
  await tf.setBackend("wasm");
  const { values, layers, head } = tf.tidy(() => {
    const named = (name) => tf.tensor(tensors[name].values, tensors[name].shape);
    const layers = blocks(card).map((block, at) => ({
      pool: block.pool, filter: tf.transpose(named(`conv${at}.weight`), [2, 3, 1, 0]), bias: named(`conv${at}.bias`),
    }));
    const head = dense(card).map((name) => ({ weight: tf.transpose(named(`${name}.weight`)), bias: named(`${name}.bias`) }));
    return { values: [...layers, ...head].map(({ pool, ...kept }) => kept), layers, head };
  });
  const [channels, height, width] = card.network.input;
  const network = (pixels) => {
    let maps = tf.tensor(pixels, [1, height, width, channels]);
    for (const { filter, bias, pool } of layers) {
      const convolved = tf.fused.conv2d({ x: maps, filter, bias, strides: 1, pad: "same", activation: "relu" });
      maps = tf.maxPool(convolved, pool, pool, "valid");
    }
    const flat = (values) => tf.reshape(tf.transpose(values, [0, 3, 1, 2]), [1, -1]);
    let features = maps;
    if (card.network.pooling === "statistics") {
      const { mean, variance } = tf.moments(maps, 2, true);
      const deviation = tf.sqrt(tf.add(variance, LEAST_VARIANCE));
      features = tf.concat([mean, tf.max(maps, 2, true), deviation].map(flat), 1);
    } else {
      features = flat(maps);
    }
    return head.reduce((a, { weight, bias }, at) => {
      const activation = at + 1 < head.length ? "relu" : "linear";
      return tf.fused.matMul({ a, b: weight, bias, activation });
    }, features);
  };
  const run = async ({ pixels }) => {
    const output = tf.tidy(() => network(pixels));
    const logits = await output.data();
    output.dispose();
    return logits;
  };
  return { run, end: () => tf.dispose(values) };
}

/** All of them on the network of one weights file. */
async function race(engine, weights) {
  const racers = [
    { name: "needledrop, own kernel", ...await needledrop(engine, weights, false) },
    { name: "needledrop, burn's Flex", ...await needledrop(engine, weights, true) },
    { name: "onnxruntime-web, wasm", ...await onnxruntime(weights) },
    { name: "TF.js, wasm", ...await tfjs(weights) },
  ].map((racer) => ({ ...racer, times: [], difference: 0 }));
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const clip = shown(weights.card);
    let first = null;
    for (const racer of racers) {
      const start = performance.now();
      const logits = await racer.run(clip);
      if (round >= 0) racer.times.push(performance.now() - start);
      first ??= logits;
      const differences = [...logits].map((logit, at) => Math.abs(logit - first[at]));
      racer.difference = Math.max(racer.difference, ...differences);
    }
  }
  racers.forEach(({ end }) => end());
  return { name: weights.card.name, racers: racers.map(({ name, times, difference }) => ({ name, times, difference })) };
}

async function races() {
  const { engine, models } = await built();
  const networks = [];
  for (const model of models) networks.push(await race(engine, await read(model)));
  return { networks, rounds: ROUNDS };
}

const report = (result) => fetch("/", { method: "POST", body: JSON.stringify(result) });
races().then(report, (error) => report({ error: `${error.message}\n${error.stack}` }));
