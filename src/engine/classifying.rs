//! A worker that classifies.
//!
//! In: models and clips. Out: verdicts, and how they came to be. A model is warmed up (shaders are
//! compiled then) and measured before it is called loaded; on a GPU its answer
//! is also held against the processor's, because drivers exist that compute
//! something else.

use std::collections::HashMap;

use burn::tensor::Device;
use js_sys::{Float32Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

#[cfg(feature = "gpu")]
use super::device;
use super::{
    protocol::{EngineProblem, ModelId, Patch, Reply, Request, Role, Ticket},
    serve::{Message, now, post},
    teaching, weights_file,
};
use crate::{
    classify::{
        classifier::{Classifier, ClassifierError, ClipAnalysis},
        stage::Values,
    },
    network::{problem::ModelProblem, weights::Weights},
};

/// Clips that a real GPU gets at once: enough to keep it busy, few enough that
/// the page sees a verdict several times a second.
const GPU_BATCH: usize = 4;
/// Milliseconds a model is measured for at least, in whole batches.
const MEASURED: f64 = 150.0;
/// Difference of a probability from which the GPU counts as wrong.
const WRONG: f32 = 0.01;
/// Models kept: the one in use and the one that may come back.
const MODELS_KEPT: usize = 2;

/// The worker's state.
pub(super) struct Classifying {
    /// burn's device, where burn computes.
    device: Option<Device>,
    batch: usize,
    models: HashMap<ModelId, Loaded>,
}

/// A model that can be used.
struct Loaded {
    classifier: Classifier,
    /// Clips that it does a second.
    clips_per_second: f64,
    /// Milliseconds that its first clips took.
    warm_up: f64,
}

impl Classifying {
    /// Takes hold of the device; also gives what it calls itself.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn start(
        role: Role,
        software: bool,
        flex: bool,
    ) -> Result<(Self, String), EngineProblem> {
        let (device, name) = match role {
            #[cfg(feature = "gpu")]
            Role::Gpu => device::gpu(software).await.map(|(device, name)| (Some(device), name))?,
            #[cfg(not(feature = "gpu"))]
            Role::Gpu => return Err(EngineProblem::NoWebGpu),
            _ if flex => (Some(Device::flex()), "Flex".to_owned()),
            Role::Cpu | Role::Decoder | Role::Microphone => (None, String::new()),
        };
        // A software adapter is only wanted to be seen working.
        let batch = if role == Role::Gpu && !software { GPU_BATCH } else { 1 };
        Ok((Self { device, batch, models: HashMap::new() }, name))
    }

    pub(super) async fn answer(&mut self, message: Message) {
        match message.request {
            Request::Model { model } => {
                let reply = match self.load(model, message.attachments.into_iter().next()).await {
                    Ok(reply) => reply,
                    Err(Refusal::File(problem)) => Reply::ModelRefused { model, problem },
                    Err(Refusal::Device(detail)) => Reply::Unavailable(EngineProblem::Failed { detail }),
                };
                post(&reply, &[]);
            }
            Request::Classify { ticket, model } => {
                let clips: Vec<Vec<f32>> = message.attachments.iter().filter_map(samples).collect();
                if let Err(reason) = self.classify(ticket, model, &clips).await {
                    post(&Reply::Failed { ticket, reason }, &[]);
                }
            }
            Request::Infer { ticket, model, .. } => {
                if let Err(reason) = self.infer(ticket, model, message.attachments.into_iter().next()).await {
                    post(&Reply::Failed { ticket, reason }, &[]);
                }
            }
            Request::Inspect { ticket, model, frame } => {
                let clip = message.attachments.first().and_then(samples);
                if let Err(reason) = self.inspect(ticket, model, clip, frame).await {
                    post(&Reply::Failed { ticket, reason }, &[]);
                }
            }
            Request::Explain { ticket, model, class, patches } => {
                let clip = message.attachments.first().and_then(samples);
                match self.explain(model, clip, class, &patches).await {
                    Ok(log_odds) => post(&Reply::Explained { ticket, log_odds }, &[]),
                    Err(reason) => post(&Reply::Failed { ticket, reason }, &[]),
                }
            }
            Request::Features { ticket, model } => {
                let clips: Vec<Vec<f32>> = message.attachments.iter().filter_map(samples).collect();
                let studied = match self.classifier(model) {
                    Ok(classifier) => teaching::study(classifier, ticket, &clips).await,
                    Err(reason) => Err(reason),
                };
                if let Err(reason) = studied {
                    post(&Reply::Failed { ticket, reason }, &[]);
                }
            }
            Request::Teach { ticket, lesson } => teaching::learn(ticket, &lesson, message.attachments),
            // Not for this role.
            _ => {}
        }
    }

    async fn load(&mut self, model: ModelId, file: Option<JsValue>) -> Result<Reply, Refusal> {
        // Songs for two models may take turns: what has been measured is not measured again.
        if let Some(loaded) = self.models.get(&model) {
            return Ok(self.loaded(model, loaded));
        }
        let file = weights_file::read(file.unwrap_or_default()).map_err(Refusal::File)?;
        let weights = Weights::from_bytes(&file).map_err(|error| Refusal::File(error.into()))?;
        let mut classifier = match &self.device {
            Some(device) => Classifier::new(&weights, device),
            None => Classifier::on_processor(&weights),
        }
        .map_err(Refusal::file)?;
        let clip =
            hum(classifier.card().spectrogram.clip_samples(), classifier.card().spectrogram.sample_rate);
        let clips = vec![clip; self.batch];

        let started = now();
        let first = classifier.classify(&clips).await.map_err(|error| match error {
            // The processor computes what it is told to.
            ClassifierError::NotFinite if self.device.is_none() => Refusal::file(error),
            error => Refusal::device(error),
        })?;
        let warm_up = now() - started;
        if self.device.is_some() {
            let mut reference = Classifier::on_processor(&weights).map_err(Refusal::file)?;
            let expected = reference.classify(&clips[..1]).await.map_err(Refusal::device)?;
            let pairs = first[0].probabilities.iter().zip(&expected[0].probabilities);
            // NaN is the greatest of all in this order, and no less than any bound.
            let difference = pairs.map(|(a, b)| (a - b).abs()).max_by(f32::total_cmp).unwrap_or(f32::NAN);
            if !(difference <= WRONG) {
                return Err(Refusal::Device(format!(
                    "its probabilities are {difference} from the processor's"
                )));
            }
        }

        let started = now();
        let mut batches = 0.0;
        while batches < 1.0 || now() - started < MEASURED {
            classifier.classify(&clips).await.map_err(Refusal::device)?;
            batches += 1.0;
        }
        let seconds = (now() - started).max(0.001) / 1000.0;
        if self.models.len() >= MODELS_KEPT {
            self.models.clear();
        }
        let clips_per_second = batches * self.batch as f64 / seconds;
        let loaded = Loaded { classifier, clips_per_second, warm_up };
        let reply = self.loaded(model, &loaded);
        self.models.insert(model, loaded);
        Ok(reply)
    }

    fn loaded(&self, model: ModelId, loaded: &Loaded) -> Reply {
        let Loaded { classifier, clips_per_second, warm_up } = loaded;
        let card = Box::new(classifier.card().clone());
        let (clips_per_second, warm_up) = (*clips_per_second, *warm_up);
        Reply::Model { model, card, clips_per_second, batch: self.batch, warm_up }
    }

    fn classifier(&mut self, model: ModelId) -> Result<&mut Classifier, String> {
        let loaded = self.models.get_mut(&model).ok_or("the model is not loaded")?;
        Ok(&mut loaded.classifier)
    }

    async fn classify(&mut self, ticket: Ticket, model: ModelId, clips: &[Vec<f32>]) -> Result<(), String> {
        let classifier = self.classifier(model)?;
        let started = now();
        let analyses = classifier.classify(clips).await.map_err(|error| error.to_string())?;
        let milliseconds = (now() - started) / clips.len().max(1) as f64;
        for (index, analysis) in analyses.into_iter().enumerate() {
            let columns = Uint8Array::from(analysis.columns.as_slice());
            let embedding = Float32Array::from(analysis.embedding.as_slice());
            let ClipAnalysis { probabilities, score, refused, .. } = analysis;
            post(
                &Reply::Verdict { ticket, index, probabilities, score, refused, milliseconds },
                &[columns.into(), embedding.into()],
            );
        }
        Ok(())
    }

    async fn infer(&mut self, ticket: Ticket, model: ModelId, shown: Option<JsValue>) -> Result<(), String> {
        let classifier = self.classifier(model)?;
        let shown = shown.ok_or("nothing to show the network came with it")?;
        let inference = match shown.dyn_into::<Uint8Array>() {
            Ok(pictures) => classifier.infer(&pictures.to_vec()).await,
            Err(other) => {
                let inputs = samples(&other).ok_or("neither pictures nor inputs came with it")?;
                classifier.infer_inputs(inputs).await
            }
        };
        let inference = inference.map_err(|error| error.to_string())?;
        let logits = Float32Array::from(inference.logits.as_slice());
        let embedding = Float32Array::from(inference.embedding.as_slice());
        post(&Reply::Logits { ticket }, &[logits.into(), embedding.into()]);
        Ok(())
    }

    async fn inspect(
        &mut self,
        ticket: Ticket,
        model: ModelId,
        clip: Option<Vec<f32>>,
        frame: Option<usize>,
    ) -> Result<(), String> {
        let classifier = self.classifier(model)?;
        let clip = clip.ok_or("no clip came with it")?;
        let started = now();
        let inspection = classifier.inspect(&clip, frame).await.map_err(|error| error.to_string())?;
        let milliseconds = now() - started;
        let (stages, values): (Vec<_>, Vec<_>) = inspection.stages.into_iter().unzip();
        let attachments: Vec<JsValue> = values.iter().map(typed_array).collect();
        post(&Reply::Inspected { ticket, frame: inspection.frame, stages, milliseconds }, &attachments);
        Ok(())
    }

    async fn explain(
        &mut self,
        model: ModelId,
        clip: Option<Vec<f32>>,
        class: usize,
        patches: &[Option<Patch>],
    ) -> Result<Vec<f32>, String> {
        let classifier = self.classifier(model)?;
        let clip = clip.ok_or("no clip came with it")?;
        classifier.explain(&clip, class, patches).await.map_err(|error| error.to_string())
    }
}

/// Why a model is not loaded.
enum Refusal {
    /// The file is at fault.
    File(ModelProblem),
    /// The device is.
    Device(String),
}

impl Refusal {
    fn file(error: ClassifierError) -> Self {
        Self::File(match error {
            ClassifierError::Weights(error) => error.into(),
            error => ModelProblem::Card { detail: error.to_string() },
        })
    }

    fn device(error: ClassifierError) -> Self {
        Self::Device(error.to_string())
    }
}

fn samples(attachment: &JsValue) -> Option<Vec<f32>> {
    attachment.dyn_ref::<Float32Array>().map(Float32Array::to_vec)
}

fn typed_array(values: &Values) -> JsValue {
    match values {
        Values::Bytes(bytes) => Uint8Array::from(bytes.as_slice()).into(),
        Values::Floats(floats) => Float32Array::from(floats.as_slice()).into(),
    }
}

/// A tone that rises through three octaves, so that a warm-up sees a picture.
fn hum(samples: usize, sample_rate: u32) -> Vec<f32> {
    let length = samples.max(1) as f32;
    let mut phase = 0.0_f32;
    (0..samples)
        .map(|sample| {
            let hertz = 110.0 * (3.0 * sample as f32 / length).exp2();
            phase = (phase + hertz / sample_rate as f32).fract();
            0.5 * (phase * std::f32::consts::TAU).sin()
        })
        .collect()
}
