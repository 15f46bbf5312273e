//! The engine's arithmetic in the browser against Keras's: the release engine
//! itself, in workers that the test starts, on the processor by the own kernel
//! and by burn's Flex, and on WebGPU.

use std::{fs, path::Path, process::Command, time::Duration};

use serde_json::{Value, json};

use crate::{
    build,
    page::{Browser, Options},
    server::Server,
    shared,
};

const LIMIT: Duration = Duration::from_secs(120);
const SOFTWARE_LIMIT: Duration = Duration::from_secs(400);

/// Starts a worker, loads the f32 weights, runs the network on pictures, and
/// leaves `[logits, embedding]` in `window.outcome`.
const INFER: &str = r#"
(async (start, clips) => {
  window.outcome = null;
  const folder = new URL(document.querySelector('meta[name=needledrop-engine]').content, document.baseURI);
  const engine = start.role === 'gpu' ? 'gpu' : 'engine';
  const module = await WebAssembly.compileStreaming(fetch(new URL(`${engine}_bg.wasm`, folder)));
  const worker = new Worker(new URL(`${engine}-loader.js`, folder), { type: 'module' });
  const answers = [], waiting = [];
  worker.onmessage = ({ data }) => (waiting.length ? waiting.shift()(data) : answers.push(data));
  worker.onerror = (event) => { window.outcome = 'error: ' + event.message; };
  const next = () => new Promise((resolve) => (answers.length ? resolve(answers.shift()) : waiting.push(resolve)));
  const ask = async (body, attachments = []) => {
    worker.postMessage({ body: JSON.stringify(body), attachments });
    const answer = await next();
    return { ...JSON.parse(answer.body), attachments: answer.attachments };
  };
  worker.postMessage({ module });
  const bytes = async (name) => (await fetch(name)).arrayBuffer();
  const steps = [await ask({ start })];
  steps.push(await ask({ model: { model: 0 } }, [await bytes('reference/model.safetensors')]));
  const all = new Uint8Array(await bytes('reference/pictures'));
  const pictures = new Uint8Array(clips.length * 16384);
  clips.forEach((clip, at) => pictures.set(all.subarray(clip * 16384, (clip + 1) * 16384), at * 16384));
  const answer = await ask({ infer: { ticket: 0, model: 0 } }, [pictures]);
  window.outcome = 'logits' in answer
    ? { logits: [...answer.attachments[0]], embedding: [...answer.attachments[1]] }
    : JSON.stringify([...steps, answer]).slice(0, 2000);
  worker.terminate();
})"#;

/// The reference's clips: six of each genre, in order.
fn all() -> [usize; 60] {
    std::array::from_fn(|clip| clip)
}

struct Golden {
    logits: Vec<f32>,
    embedding: Vec<f32>,
}

/// Lays the reference beside the page: its weights as a model in f32, its
/// pictures turned so that rows are bands.
fn lay_out(server: &Server) -> Option<(tempfile::TempDir, Golden)> {
    let [golden, keras] =
        ["golden", "keras"].map(|name| shared::path(&format!("reference/row8-{name}.safetensors")));
    let (bytes, keras) = (fs::read(golden?).unwrap(), keras?);
    let folder = build::copy();
    let reference = folder.path().join("reference");
    fs::create_dir(&reference).unwrap();
    let converted = Command::new(env!("CARGO_BIN_EXE_needledrop"))
        .arg("convert")
        .arg(keras)
        .args(["--precision", "f32", "--card"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/row8-keras.card.json"))
        .arg("--output")
        .arg(reference.join("model.safetensors"))
        .status();
    assert!(converted.unwrap().success());
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let pictures = file.tensor("picture").unwrap();
    let turned: Vec<u8> = pictures
        .data()
        .chunks(128 * 128)
        .flat_map(|picture| (0..128 * 128).map(move |pixel| picture[pixel % 128 * 128 + pixel / 128]))
        .collect();
    fs::write(reference.join("pictures"), turned).unwrap();
    server.lay_out(folder.path());
    let floats = |name| -> Vec<f32> {
        let tensor = file.tensor(name).unwrap();
        tensor.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    Some((folder, Golden { logits: floats("logits"), embedding: floats("embedding") }))
}

fn difference(found: &Value, expected: &[f32]) -> f64 {
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a.as_f64().unwrap() - f64::from(*b)).abs()).fold(0.0, f64::max)
}

fn assert_logits_of_keras(options: &Options, start: &Value, clips: &[usize], limit: Duration) {
    let server = Server::start(&build::folder(), "/");
    let Some((_folder, golden)) = lay_out(&server) else { return };
    let browser = Browser::launch(options);
    browser.open(&server.url());
    let call = format!("void {INFER}({start}, {clips:?})");
    browser.eval(&call);
    let outcome = browser.wait_until("window.outcome", limit);
    assert!(outcome.is_object(), "{outcome}");
    let of = |values: &[f32], length: usize| -> Vec<f32> {
        clips.iter().flat_map(|clip| &values[clip * length..][..length]).copied().collect()
    };
    let logits = difference(&outcome["logits"], &of(&golden.logits, 10));
    let embedding = difference(&outcome["embedding"], &of(&golden.embedding, 128));
    println!("{start}, {} clips: logits within {logits:.1e}, embeddings within {embedding:.1e}", clips.len());
    assert!(logits < 1e-3 && embedding < 1e-3, "{start}: {logits} and {embedding}");
}

fn protocol() -> u32 {
    needledrop::engine::protocol::PROTOCOL_VERSION
}

#[test]
fn the_processor_gives_the_logits_of_keras() {
    let start = json!({ "protocol": protocol(), "role": "cpu" });
    assert_logits_of_keras(&Options::default(), &start, &all(), LIMIT);
}

#[test]
fn flex_gives_the_logits_of_keras() {
    let start = json!({ "protocol": protocol(), "role": "cpu", "flex": true });
    assert_logits_of_keras(&Options::default(), &start, &all(), LIMIT);
}

#[test]
fn webgpu_gives_the_logits_of_keras() {
    let start = json!({ "protocol": protocol(), "role": "gpu", "software": true });
    let options = Options { software_webgpu: true, ..Options::default() };
    // One of each genre: the software adapter takes seconds over each.
    let one_each: [usize; 10] = std::array::from_fn(|genre| 6 * genre);
    assert_logits_of_keras(&options, &start, &one_each, SOFTWARE_LIMIT);
}

#[test]
#[ignore = "as the one above, on all sixty: minutes on the software adapter"]
fn webgpu_gives_the_logits_of_keras_for_every_clip() {
    let start = json!({ "protocol": protocol(), "role": "gpu", "software": true });
    let options = Options { software_webgpu: true, ..Options::default() };
    assert_logits_of_keras(&options, &start, &all(), 4 * SOFTWARE_LIMIT);
}

/// Gives a worker the page's own network twice, and leaves its answers in
/// `window.outcome`.
const LOAD_TWICE: &str = r#"
(async (start) => {
  window.outcome = null;
  const address = (name) => new URL(document.querySelector(`meta[name=${name}]`).content, document.baseURI);
  const folder = address('needledrop-engine');
  const module = await WebAssembly.compileStreaming(fetch(new URL('engine_bg.wasm', folder)));
  const weights = await (await fetch(address('needledrop-model'))).arrayBuffer();
  const worker = new Worker(new URL('engine-loader.js', folder), { type: 'module' });
  const answers = [];
  worker.onmessage = ({ data }) => {
    answers.push(JSON.parse(data.body));
    if (answers.length === 3) window.outcome = answers.slice(1);
  };
  worker.postMessage({ module });
  for (const body of [{ start }, { model: { model: 0 } }, { model: { model: 0 } }]) {
    worker.postMessage({ body: JSON.stringify(body), attachments: 'model' in body ? [weights] : [] });
  }
})"#;

#[test]
fn a_model_is_measured_once() {
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.open(&server.url());
    let start = json!({ "protocol": protocol(), "role": "cpu" });
    browser.eval(&format!("void {LOAD_TWICE}({start})"));
    let answers = browser.wait_until("window.outcome", LIMIT);
    assert!(answers[0]["model"]["clips_per_second"].as_f64().unwrap() > 0.0, "{answers}");
    assert_eq!(answers[0], answers[1]);
}
