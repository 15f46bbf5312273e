// The race, in the browser: the page's own engine by both its kernels,
// onnxruntime-web and TF.js run the paper's network with the shipped weights,
// picture by picture, in turns.
//
// In: the built page under /needledrop/, the peers under /packages/, TF.js as
// the global tf. Out: a POST of { racers: [{ name, times, difference }], rounds },
// milliseconds of each round and the largest difference of a logit from the
// first racer's, or of { error }.

import * as ort from "/packages/onnxruntime-web/dist/ort.wasm.min.mjs";

const ROUNDS = 30;
/** Rounds that count for nothing: the browser optimises code that it sees run. */
const WARM_UP = 5;
const SIDE = 128;
/** Colours of three indices of viridis, src/spectrogram/viridis.rs. */
const PALETTE = { 0: [68, 1, 84], 128: [32, 144, 140], 255: [253, 231, 36] };

const dist = new URL("/needledrop/", location);

/** What the built page says of itself in a <meta>. */
async function built() {
  const text = await (await fetch(new URL("index.html", dist))).text();
  const page = new DOMParser().parseFromString(text, "text/html");
  const named = (name) => new URL(page.querySelector(`meta[name=needledrop-${name}]`).content, dist);
  return { engine: named("engine"), model: named("papers") };
}

/** The tensors of a safetensors file, as { shape, values }, in f32. */
function tensors(file) {
  const length = Number(new DataView(file).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, length)));
  delete header.__metadata__;
  const read = ({ dtype, shape, data_offsets: [from, to] }) => {
    const bytes = file.slice(8 + length + from, 8 + length + to);
    const values = dtype === "F16" ? Float32Array.from(new Float16Array(bytes)) : new Float32Array(bytes);
    return { shape, values };
  };
  return Object.fromEntries(Object.entries(header).map(([name, tensor]) => [name, read(tensor)]));
}

/** How many convolutions there are. */
function depth(weights) {
  return Object.keys(weights).filter((name) => /^conv\d+\.weight$/.test(name)).length;
}

/** A picture of three colours: as indices, [3, side, side] and [side, side, 3]. */
function picture() {
  const colours = Object.keys(PALETTE).map(Number);
  const indices = Uint8Array.from({ length: SIDE * SIDE }, () => colours[Math.floor(Math.random() * colours.length)]);
  const value = (pixel, channel) => PALETTE[indices[pixel]][channel] / 255;
  const planes = Float32Array.from({ length: 3 * indices.length }, (_, at) => value(at % indices.length, Math.floor(at / indices.length)));
  const pixels = Float32Array.from({ length: 3 * indices.length }, (_, at) => value(Math.floor(at / 3), at % 3));
  return { indices, planes, pixels };
}

/** A worker of the engine that was asked to load the model. */
async function needledrop({ engine, model }, flex) {
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
  await expect("model", { model: { model: 0 } }, [await (await fetch(model)).arrayBuffer()]);
  return async ({ indices }) =>
    (await expect("logits", { infer: { ticket: 0, model: 0, pictures: 1 } }, [indices])).attachments[0];
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
function onnx(weights) {
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
  let value = "picture";
  for (let layer = 0; layer < depth(weights); layer++) {
    const padding = Math.floor(weights[`conv${layer}.weight`].shape[2] / 2);
    value = node("Conv", [value, ...both(`conv${layer}`)], { pads: Array(4).fill(padding) });
    value = node("MaxPool", [node("Relu", [value])], { kernel_shape: [2, 2], strides: [2, 2] });
  }
  value = node("Gemm", [node("Flatten", [value]), ...both("dense0")], { transB: 1 });
  value = node("Gemm", [node("Relu", [value]), ...both("logits")], { transB: 1 });
  const initializers = Object.entries(weights).map(([name, { shape, values }]) =>
    message([[1, shape], [2, FLOAT], [8, name], [9, new Uint8Array(values.buffer)]]));
  const tensor = (name, shape) =>
    message([[1, name], [2, message([[1, message([[1, FLOAT], [2, message([[1, shape.map((size) => message([[1, size]]))]])]])]])]]);
  const graph = message([
    [1, nodes], [2, "network"], [5, initializers], [11, tensor("picture", [1, 3, SIDE, SIDE])],
    [12, tensor(value, [1, weights["logits.bias"].shape[0]])],
  ]);
  return message([[1, 9], [7, graph], [8, message([[1, ""], [2, 17]])]]);
}

async function onnxruntime(weights) {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/packages/onnxruntime-web/dist/";
  const session = await ort.InferenceSession.create(onnx(weights), { executionProviders: ["wasm"] });
  return async ({ planes }) => {
    const outputs = await session.run({ picture: new ort.Tensor("float32", planes, [1, 3, SIDE, SIDE]) });
    return outputs[session.outputNames[0]].data;
  };
}

/** TF.js keeps channels last, in weights and in what is flattened. */
async function tfjs(weights) {
  tf.wasm.setWasmPaths("/packages/@tensorflow/tfjs-backend-wasm/dist/");
  tf.wasm.setThreadsCount(1);
  await tf.setBackend("wasm");
  const { layers } = tf;
  const tensor = (name, shape, order) => tf.transpose(tf.tensor(weights[name].values, shape ?? weights[name].shape), order);
  const model = tf.sequential();
  const values = [];
  for (let layer = 0; layer < depth(weights); layer++) {
    const [filters, , kernelSize] = weights[`conv${layer}.weight`].shape;
    const inputShape = layer === 0 ? { inputShape: [SIDE, SIDE, 3] } : {};
    model.add(layers.conv2d({ filters, kernelSize, padding: "same", activation: "relu", ...inputShape }));
    model.add(layers.maxPooling2d({ poolSize: 2 }));
    values.push(tensor(`conv${layer}.weight`, null, [2, 3, 1, 0]), tensor(`conv${layer}.bias`));
  }
  const [, rows, columns, channels] = model.outputShape;
  const units = (name) => weights[`${name}.bias`].shape[0];
  model.add(layers.flatten());
  model.add(layers.dense({ units: units("dense0"), activation: "relu" }));
  model.add(layers.dense({ units: units("logits") }));
  const dense = tensor("dense0.weight", [units("dense0"), channels, rows, columns], [2, 3, 1, 0]);
  values.push(dense.reshape([-1, units("dense0")]), tensor("dense0.bias"), tensor("logits.weight"), tensor("logits.bias"));
  model.setWeights(values);
  return async ({ pixels }) => {
    const input = tf.tensor(pixels, [1, SIDE, SIDE, 3]);
    const output = model.predict(input);
    const logits = await output.data();
    tf.dispose([input, output]);
    return logits;
  };
}

async function race() {
  const page = await built();
  const weights = tensors(await (await fetch(page.model)).arrayBuffer());
  const racers = [
    { name: "needledrop, own kernel", run: await needledrop(page, false) },
    { name: "needledrop, burn's Flex", run: await needledrop(page, true) },
    { name: "onnxruntime-web, wasm", run: await onnxruntime(weights) },
    { name: "TF.js, wasm", run: await tfjs(weights) },
  ].map((racer) => ({ ...racer, times: [], difference: 0 }));
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const shown = picture();
    let first = null;
    for (const racer of racers) {
      const start = performance.now();
      const logits = await racer.run(shown);
      if (round >= 0) racer.times.push(performance.now() - start);
      first ??= logits;
      const differences = [...logits].map((logit, at) => Math.abs(logit - first[at]));
      racer.difference = Math.max(racer.difference, ...differences);
    }
  }
  return { racers: racers.map(({ name, times, difference }) => ({ name, times, difference })), rounds: ROUNDS };
}

const report = (result) => fetch("/", { method: "POST", body: JSON.stringify(result) });
race().then(report, (error) => report({ error: `${error.message}\n${error.stack}` }));
