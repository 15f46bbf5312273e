//! What holds of a training.

use std::cell::Cell;

use burn::module::{ModuleMapper, ModuleVisitor, Param};

use super::{shown::Drawn, *};
use crate::{
    classify::verdict,
    dataset::archive::{Clip, Item, MelArchive, Track},
    network::{
        card::{Input, ModelCard},
        experiment::{ConvBlock, NetworkSpec, Padding, Pooling},
        weights::Precision,
    },
    spectrogram::config::SpectrogramConfig,
    training::{
        initial::glorot_uniform,
        recipe::{Augmentation, Beyond, Penalised, Recipe, Schedule},
        small_card,
    },
};

const BANDS: usize = 26;
const FRAMES: usize = 31;
/// Numbers that look drawn.
fn noise(index: usize) -> u8 {
    (mix([index as u64, 0, 0]) >> 56) as u8
}

/// Two genres, one loud below and one above, in noise.
fn archive(tracks: usize) -> MelArchive {
    let spectrogram =
        SpectrogramConfig { n_mels: BANDS, hop_length: 2205, center: false, ..SpectrogramConfig::default() };
    let frames = 10 * (FRAMES - 1);
    let cell = |at: usize| {
        let (track, band) = (at / (BANDS * frames), at / frames % BANDS);
        let loud = if (track % 2 == 0) == (band < BANDS / 2) { 128 } else { 0 };
        loud + noise(at) / 2
    };
    MelArchive::new(
        vec!["high".into(), "low".into()],
        (0..tracks).map(|track| Track { name: format!("{track}"), genre: track % 2 }).collect(),
        spectrogram,
        (0..tracks).map(|track| Item { track, frames }).collect(),
        (0..tracks * BANDS * frames).map(cell).collect(),
    )
    .unwrap()
}

/// What is tried.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// The paper's: kernels of both sizes on maps of few tiles.
    Paper,
    /// Other pools, and a map of more tiles than are transformed together.
    Large,
    /// The spectrogram itself, with all that a recipe may have beyond the paper's.
    Beyond,
}

fn card(archive: &MelArchive, dropout: f64, kind: Kind) -> ModelCard {
    let block = |filters, kernel, padding| ConvBlock { filters, kernel, padding, pool: [2, 2], dropout };
    let input = match kind {
        Kind::Paper => Input::Viridis { height: BANDS, width: FRAMES },
        Kind::Large => Input::Viridis { height: 47, width: 70 },
        Kind::Beyond => Input::CentredLogMel { deviation: 10.0 },
    };
    let (blocks, pooling) = if kind == Kind::Large {
        let blocks = vec![
            ConvBlock { pool: [2, 1], ..block(16, 3, Padding::Same) },
            ConvBlock { pool: [1, 2], ..block(16, 5, Padding::Valid) },
            ConvBlock { pool: [3, 1], ..block(16, 3, Padding::Same) },
        ];
        (blocks, Pooling::Statistics)
    } else {
        let blocks =
            vec![block(16, 5, Padding::Same), block(32, 3, Padding::Valid), block(16, 5, Padding::Same)];
        (blocks, Pooling::Flatten)
    };
    let shape = input.shape(&archive.spectrogram);
    let network = NetworkSpec { input: shape, blocks, pooling, dense: vec![8], classes: 2 };
    small_card(archive, input, network)
}

fn recipe(epochs: usize) -> Recipe {
    Recipe {
        name: "test".into(),
        learning_rate: 1e-3,
        schedule: Schedule::Cosine,
        batch_size: 8,
        epochs,
        patience: None,
        l2: 1e-4,
        penalised: Penalised::All,
        beyond: Beyond::default(),
    }
}

/// Everything beyond the paper's recipe.
fn beyond() -> Beyond {
    Beyond {
        weight_decay: 0.01,
        standardised: true,
        averaging: 0.9,
        label_smoothing: 0.1,
        distillation: 0.0,
        clear_teachers: false,
        by_accuracy: true,
        augmentation: Some(Augmentation {
            mixup: 0.3,
            stretch: 0.1,
            shift: 2.0,
            equaliser: 3.0,
            room: 0.5,
            noise: 0.5,
            colour: 3.0,
            telephone: 0.5,
            // Where a codec left nothing, kernels of mean 0 and biases of 0 make a zero
            // whose sign is chance: ReLU's gradient there cannot be compared.
            codec: 0.0,
            phone: 0.0,
            masks: 1,
            blank: 0.3,
        }),
    }
}

/// The data on the processor.
fn with_job<R>(
    dropout: f64,
    kind: Kind,
    convolutions: Convolutions,
    run: impl FnOnce(&Job<'_>, ModelCard, &[Clip]) -> R,
) -> R {
    let archive = archive(20);
    let clips = archive.clips(3.0);
    let split = Split::over_clips(&archive, &clips, 3).unwrap();
    let card = card(&archive, dropout, kind);
    let device = Device::flex();
    let inputs = Inputs::new(&archive, &clips, &card, &device);
    let augmenter = beyond()
        .augmentation
        .filter(|_| kind == Kind::Beyond)
        .map(|strength| Augmenter::new(&archive, &clips, &split, &card, strength));
    let job = Job { inputs: &inputs, split: &split, device: &device, convolutions, augmenter, teachers: &[] };
    run(&job, card, &clips)
}

/// What the network is shown in a step, where nobody teaches.
fn drawn(job: &Job<'_>, batch: &[usize], draw: u64) -> Option<Drawn> {
    job.eyes(&[], false).unwrap().draw(batch, draw)
}

/// A network before its first step, and the clips of that step.
fn begun<'a>(job: &Job<'a>, card: &ModelCard) -> (Cnn, &'a [usize]) {
    let weights = glorot_uniform(card.clone(), 5).unwrap();
    let device = job.device.clone().autodiff();
    let network = card.network.init(&device).unwrap().load(&weights, &device).unwrap();
    (number(network), &job.split.part(Part::Train)[..11])
}

/// What is tried of a recipe on such a network.
fn recipe_of(kind: Kind, l2: f64) -> Recipe {
    let beyond = if kind == Kind::Beyond { beyond() } else { Beyond::default() };
    Recipe { l2, beyond, ..recipe(1) }
}

/// Whether a gradient is there, and another differs by less than that share of it.
fn assert_near(exact: &[f32], other: &[f32], share: f32) {
    let length = |of: &mut dyn Iterator<Item = f32>| of.map(|x| x * x).sum::<f32>().sqrt();
    let whole = length(&mut exact.iter().copied());
    let difference = length(&mut exact.iter().zip(other).map(|(a, b)| a - b));
    assert!(whole > 0.0 && difference < share * whole, "{difference} of {whole}");
}

#[test]
fn our_own_convolutions_have_the_gradients_of_burns() {
    let kinds = [Kind::Paper, Kind::Large, Kind::Beyond];
    // What is left to a factor of 8 bits, for which another cell may win a pool.
    let tiles = |unit| (Convolutions::Tiles(unit), 1e-2, 0.15);
    let units = MatrixUnit::new().into_iter().chain([MatrixUnit::Plain]).map(tiles);
    let ways: Vec<_> = [(Convolutions::Filtering, 1e-5, 1e-4)].into_iter().chain(units).collect();
    for (kind, &(convolutions, of_loss, of_gradient)) in
        kinds.into_iter().flat_map(|kind| ways.iter().map(move |way| (kind, way)))
    {
        with_job(0.0, kind, convolutions, |job, card, _| {
            let (network, batch) = begun(job, &card);
            for l2 in [0.0, 0.01] {
                let recipe = recipe_of(kind, l2);
                let mut stack = job.stack(&card.network).unwrap();
                let shown = job.show(batch, drawn(job, batch, 0), &recipe, &mut []).unwrap();
                let mut own =
                    job.step_with_own_convolutions(&network, &mut *stack, shown, 0, &recipe).unwrap();
                let shown = job.show(batch, drawn(job, batch, 0), &recipe, &mut []).unwrap();
                let used = used(&network, &recipe);
                let logits = used.forward(autodiff(job.on_device(shown.seen))).logits;
                let loss = loss_of(&used, logits.clone(), shown.truth, &recipe);
                let mut burns = GradientsParams::from_grads(loss.backward(), &network);
                assert!((own.loss.into_scalar::<f32>() - loss.into_scalar::<f32>()).abs() < of_loss);

                struct Compare<'a>(&'a mut GradientsParams, &'a mut GradientsParams, usize, f32);
                impl ModuleVisitor for Compare<'_> {
                    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                        let own = read(self.0.remove::<D>(param.id).unwrap()).unwrap();
                        let burns = read(self.1.remove::<D>(param.id).unwrap()).unwrap();
                        assert_near(&burns, &own, self.3);
                        self.2 += 1;
                    }
                }
                let mut compare = Compare(&mut own.gradients, &mut burns, 0, of_gradient);
                network.visit(&mut compare);
                assert_eq!(compare.2, 2 * (card.network.blocks.len() + 2));
            }
        });
    }
}

/// What is left to a factor of 8 bits: of the loss a hundredth, of a gradient a seventh, as
/// on the matrix unit. Weights and gradients keep their 32 bits.
#[test]
fn convolutions_in_bfloat16_have_about_the_same_gradients() {
    for kind in [Kind::Paper, Kind::Large, Kind::Beyond] {
        let step = |convolutions| {
            with_job(0.0, kind, convolutions, |job, card, _| {
                let (network, batch) = begun(job, &card);
                let recipe = recipe_of(kind, 0.01);
                let shown = job.show(batch, drawn(job, batch, 0), &recipe, &mut []).unwrap();
                let mut step = job.step(&network, &mut None, shown, 0, &recipe).unwrap();
                let mut gradients = Vec::new();
                struct Collect<'a>(&'a mut GradientsParams, &'a mut Vec<Vec<f32>>);
                impl ModuleVisitor for Collect<'_> {
                    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                        // `read` takes nothing but 32 bits.
                        self.1.push(read(self.0.remove::<D>(param.id).unwrap()).unwrap());
                    }
                }
                network.visit(&mut Collect(&mut step.gradients, &mut gradients));
                (step.loss.into_scalar::<f32>(), gradients)
            })
        };
        let (of_f32, of_bfloat16) = (step(Convolutions::Burn), step(Convolutions::Bfloat16));
        assert!(of_f32 != of_bfloat16, "nothing was rounded");
        assert!((of_f32.0 - of_bfloat16.0).abs() < 1e-2, "{} and {}", of_f32.0, of_bfloat16.0);
        for (exact, rounded) in of_f32.1.iter().zip(&of_bfloat16.1) {
            assert_near(exact, rounded, 0.15);
        }
    }
}

/// What a warm device computed before it began is nothing to the training.
#[test]
fn warming_up_changes_nothing() {
    with_job(0.0, Kind::Beyond, Convolutions::Burn, |job, card, _| {
        let start = || Checkpoint {
            state: State::new(Recipe { l2: 0.0, beyond: beyond(), ..recipe(1) }, 9, "test".into()),
            now: glorot_uniform(card.clone(), 9).unwrap(),
            average: None,
            best: None,
            optimiser: Vec::new(),
        };
        let cold = job.fit(start(), &mut |_| Ok(()), &mut |_| Control::Continue).unwrap();
        let start = start();
        assert!(job.warm_up(&start, &|| true).unwrap() > Some(Duration::ZERO));
        let warm = job.fit(start, &mut |_| Ok(()), &mut |_| Control::Continue).unwrap();
        assert_eq!((warm.now, warm.average, warm.best), (cold.now, cold.average, cold.best));
    });
    let lengths = |clips: usize, batch_size| -> Vec<usize> {
        let clips: Vec<usize> = (0..clips).collect();
        of_each_length(&clips, batch_size).map(<[usize]>::len).collect()
    };
    assert_eq!(lengths(330, 64), [64, 64, 10]);
    assert_eq!(lengths(128, 64), [64, 64]);
    assert_eq!(lengths(3, 64), [3]);
}

/// Whoever wants the training to end need not wait for programs that it will not have.
#[test]
fn warming_up_ends_when_it_shall() {
    with_job(0.0, Kind::Paper, Convolutions::Burn, |job, card, _| {
        let start = Checkpoint {
            state: State::new(recipe(1), 9, "test".into()),
            now: glorot_uniform(card, 9).unwrap(),
            average: None,
            best: None,
            optimiser: Vec::new(),
        };
        let warmed_up = |answers: usize| {
            let asked = Cell::new(0);
            let goes_on = || asked.replace(asked.get() + 1) < answers;
            (job.warm_up(&start, &goes_on).unwrap().is_some(), asked.get())
        };
        let (is_warm, questions) = warmed_up(usize::MAX);
        assert!(is_warm && questions > 3, "{questions}");
        // At the first step, at the second, at the first judgement, after the last.
        let steps = of_each_length(job.split.part(Part::Train), 8).count();
        for answers in [0, 1, steps, questions - 1] {
            let (is_warm, asked) = warmed_up(answers);
            assert!(!is_warm && (answers + 1..=answers + 2).contains(&asked), "{asked} after {answers}");
        }
    });
}

/// Keras's `l2(0.003)` adds 0.003 · Σ w² of kernels, not of biases, to the loss, and so
/// 0.006 · w to their gradients.
#[test]
fn the_penalty_is_that_of_keras() {
    const L2: f64 = 0.003;
    /// Biases begin with 0, and would not show that they are left out.
    struct Lift;
    impl ModuleMapper for Lift {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| if D == 1 { tensor.add_scalar(0.5).detach().require_grad() } else { tensor })
        }
    }
    /// Every parameter beside its gradient, both flat, and whether it is a kernel.
    struct Read(GradientsParams, Vec<(bool, Vec<f32>, Vec<f32>)>);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = read(self.0.remove::<D>(param.id).unwrap()).unwrap();
            self.1.push((D > 1, read(param.val()).unwrap(), gradient));
        }
    }
    with_job(0.0, Kind::Paper, Convolutions::Burn, |job, card, _| {
        let weights = glorot_uniform(card.clone(), 5).unwrap();
        let device = job.device.clone().autodiff();
        let network = card.network.init(&device).unwrap().load(&weights, &device).unwrap();
        let network = number(network.map(&mut Lift));
        let batch = &job.split.part(Part::Train)[..3];
        let of = |l2: f64, penalised: Penalised| {
            let logits = network.forward(autodiff(job.inputs.batch(batch))).logits;
            let truth = Truth::Genres(job.inputs.genres(batch));
            let loss = loss_of(&network, logits, truth, &Recipe { l2, penalised, ..recipe(1) });
            let value = loss.clone().into_scalar::<f32>();
            let mut of_parameters = Read(GradientsParams::from_grads(loss.backward(), &network), Vec::new());
            network.visit(&mut of_parameters);
            (f64::from(value), of_parameters.1)
        };
        let layers = card.network.blocks.len() + 2;
        let (without, before) = of(0.0, Penalised::All);
        assert_eq!(before.len(), 2 * layers);
        // Kernels lie from the first convolution to the hidden dense layer and the last one.
        for (penalised, means) in [
            (Penalised::All, 0..layers),
            (Penalised::AllButLast, 0..layers - 1),
            (Penalised::Hidden, layers - 2..layers - 1),
        ] {
            let (with, after) = of(L2, penalised);
            let (mut squares, mut kernels) = (0.0, 0);
            for ((is_kernel, values, before), (_, _, after)) in before.iter().zip(&after) {
                let has_penalty = *is_kernel && means.contains(&kernels);
                kernels += usize::from(*is_kernel);
                for ((value, before), after) in values.iter().zip(before).zip(after) {
                    let added = if has_penalty { 2.0 * L2 as f32 * value } else { 0.0 };
                    assert!((after - before - added).abs() < 1e-6, "{after} after {before}");
                    squares += if has_penalty { f64::from(*value).powi(2) } else { 0.0 };
                }
            }
            assert_eq!(kernels, layers);
            let added = with - without;
            assert!((added - L2 * squares).abs() < 1e-4 * L2 * squares, "{added}, {}", L2 * squares);
        }
    });
}

#[test]
fn host_and_device_are_shown_the_same_of_changed_clips() {
    // Pictures, mixed and not: by their values and by their colours.
    for (kind, mixup) in [(Kind::Paper, 0.3), (Kind::Paper, 0.0), (Kind::Beyond, 0.3)] {
        let archive = archive(20);
        let clips = archive.clips(3.0);
        let split = Split::over_clips(&archive, &clips, 3).unwrap();
        let card = card(&archive, 0.0, kind);
        let device = Device::flex();
        let inputs = Inputs::new(&archive, &clips, &card, &device);
        let strength = Augmentation { mixup, ..beyond().augmentation.unwrap() };
        let augmenter = Some(Augmenter::new(&archive, &clips, &split, &card, strength));
        let job = Job {
            inputs: &inputs,
            split: &split,
            device: &device,
            convolutions: Convolutions::Filtering,
            augmenter,
            teachers: &[],
        };
        let learned = &split.part(Part::Train)[..5];
        let recipe = Recipe { beyond: beyond(), ..recipe(1) };
        let Shown { seen, .. } = job.show(learned, drawn(&job, learned, 0), &recipe, &mut []).unwrap();
        let on_device = read(job.on_device(seen.clone()).permute([0, 2, 3, 1])).unwrap();
        assert_eq!(on_device, job.on_host(&seen).into_owned());
        let [channels, height, width] = inputs.shape();
        assert_eq!(on_device.len(), 5 * channels * height * width);
    }
}

/// What teachers say is what they say of the very clips that are shown, or of the
/// same before anything was done to them, and counts as much as the recipe says; on
/// host and device.
#[test]
fn teachers_are_heard_as_much_as_the_recipe_says() {
    let cases = [
        (Convolutions::Filtering, Kind::Beyond, false),
        (Convolutions::Filtering, Kind::Beyond, true),
        (Convolutions::Burn, Kind::Beyond, false),
        (Convolutions::Filtering, Kind::Paper, false),
    ];
    for (convolutions, kind, clear) in cases {
        with_job(0.3, kind, convolutions, |job, card, _| {
            // One of them with eyes of its own, where clips are drawn anew, and calibrated,
            // which is nothing to its pupil.
            let input = match kind {
                Kind::Beyond => Input::LogMel { mean: -20.0, deviation: 10.0 },
                _ => card.input,
            };
            let other = ModelCard { input, bias: vec![0.5, -0.25], ..card.clone() };
            let taught =
                [(card.clone(), 3), (other, 4)].map(|(card, seed)| glorot_uniform(card, seed).unwrap());
            let mut teachers = taught.each_ref().map(|weights| job.teacher(weights).unwrap());
            let learned = &job.split.part(Part::Train)[..6];
            let beyond = if kind == Kind::Beyond { beyond() } else { Beyond::default() };
            let recipe =
                |distillation| Recipe { l2: 0.0, beyond: Beyond { distillation, ..beyond }, ..recipe(1) };
            let shares = |truth: Truth| read(truth.shares(2)).unwrap();
            let Shown { truth, .. } =
                job.show(learned, drawn(job, learned, 7), &recipe(0.0), &mut []).unwrap();
            let alone = shares(truth);
            let all_see = job.eyes(&taught, clear).unwrap().draw(learned, 7);
            let Shown { truth, .. } = job.show(learned, all_see, &recipe(0.7), &mut teachers).unwrap();
            let said: Vec<Vec<f32>> = taught
                .iter()
                .map(|weights| {
                    let eyes = job.augmenter.as_ref().map(|own| own.with_input(weights.card().input));
                    let eyes = if clear { eyes.map(|eyes| eyes.clear()) } else { eyes };
                    let drawn = |eyes: Augmenter<'_>| eyes.batch(learned, 7).cells;
                    let shape = card.network.input;
                    let seen = match eyes.map(drawn) {
                        Some(cells) => Seen { batch: learned, sight: Sight::Drawn { cells, shape } },
                        None => Seen { batch: learned, sight: Sight::Clips },
                    };
                    let network = card.network.init(job.device).unwrap().load(weights, job.device);
                    let logits = network.unwrap().forward(job.on_device(seen)).logits;
                    read(logits).unwrap().chunks_exact(2).flat_map(verdict::softmax).collect()
                })
                .collect();
            for (at, (share, alone)) in shares(truth).iter().zip(alone).enumerate() {
                let expected = 0.3 * alone + 0.7 * (said[0][at] + said[1][at]) / 2.0;
                assert!((share - expected).abs() < 1e-4, "{share} {expected}");
            }
            let start = Checkpoint {
                state: State::new(recipe(0.7), 9, "test".into()),
                now: taught[0].clone(),
                average: None,
                best: None,
                optimiser: Vec::new(),
            };
            let nobody = job.fit(start, &mut |_| Ok(()), &mut |_| Control::Continue);
            assert!(matches!(nobody, Err(TrainingError::Teachers)), "{nobody:?}");
        });
    }
}

#[test]
fn a_training_ends_with_its_epochs_or_its_patience() {
    let mut state = State::new(Recipe { patience: Some(2), ..recipe(10) }, 0, "test".into());
    let mut ends = |epoch, best: Option<usize>, patience| {
        state.recipe.patience = patience;
        (state.epoch, state.best) = (epoch, best.map(|epoch| Best { epoch, validation_loss: 1.0 }));
        is_over(&state)
    };
    assert!(!ends(0, None, Some(2)) && !ends(9, Some(8), Some(2)));
    assert!(ends(10, Some(9), Some(2)) && ends(10, Some(9), None));
    // Two epochs in which nothing became better.
    assert!(!ends(5, Some(3), Some(2)));
    assert!(ends(6, Some(3), Some(2)) && !ends(6, Some(3), None));
}

/// A checkpoint before the first step.
fn beginning(recipe: Recipe, card: &ModelCard) -> Checkpoint {
    Checkpoint {
        state: State::new(recipe, 9, "test".into()),
        now: glorot_uniform(card.clone(), 9).unwrap(),
        average: None,
        best: None,
        optimiser: Vec::new(),
    }
}

#[test]
fn a_loss_that_is_no_number_ends_a_training_and_leaves_what_was_saved() {
    with_job(0.0, Kind::Paper, Convolutions::Filtering, |job, card, _| {
        let mut start = beginning(recipe(2), &card);
        let mut bytes = start.now.to_bytes(Precision::F32).unwrap();
        let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        for number in bytes[header..].as_chunks_mut::<4>().0 {
            *number = (1e20 * f32::from_le_bytes(*number)).to_le_bytes();
        }
        start.now = Weights::from_bytes(&bytes).unwrap();
        let end =
            job.fit(start, &mut |_| panic!("such weights are not to be kept"), &mut |_| Control::Continue);
        assert!(matches!(end, Err(TrainingError::Diverged { epoch: 1, step: 1, .. })), "{end:?}");
        assert!(end.unwrap_err().to_string().contains("try a smaller --learning-rate"));
    });
}

#[test]
fn a_state_of_the_optimiser_that_is_none_is_refused() {
    with_job(0.0, Kind::Paper, Convolutions::Filtering, |job, card, _| {
        let start = Checkpoint { optimiser: vec![1, 2, 3], ..beginning(recipe(2), &card) };
        let end = job.fit(start, &mut |_| Ok(()), &mut |_| Control::Continue);
        assert!(matches!(end, Err(TrainingError::Optimiser(_))), "{end:?}");
    });
}

#[test]
fn an_interrupted_training_ends_with_the_weights_of_one_that_was_not() {
    // burn draws a dropout from a state of the whole process, which other tests draw
    // from too: tests/training.rs has a process for it.
    for (convolutions, dropout, kind) in [
        (Convolutions::Filtering, 0.3, Kind::Paper),
        (Convolutions::Tiles(MatrixUnit::new().unwrap_or(MatrixUnit::Plain)), 0.3, Kind::Paper),
        (Convolutions::Burn, 0.0, Kind::Paper),
        (Convolutions::Filtering, 0.3, Kind::Beyond),
        (Convolutions::Burn, 0.0, Kind::Beyond),
    ] {
        with_job(dropout, kind, convolutions, |job, card, _| {
            let beyond = if kind == Kind::Beyond { beyond() } else { Beyond::default() };
            let l2 = if kind == Kind::Beyond { 0.0 } else { 1e-4 };
            let recipe = Recipe { l2, beyond, ..recipe(3) };
            let start = || beginning(recipe.clone(), &card);
            let whole = job.fit(start(), &mut |_| Ok(()), &mut |_| Control::Continue).unwrap();
            assert_eq!(whole.state.history.len(), 3);

            // Stopped at every look, and gone on from what lies on the disk.
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("checkpoint.safetensors");
            let mut parts = start();
            let mut stops = 0;
            while !is_over(&parts.state) {
                job.fit(parts, &mut |checkpoint| checkpoint.save(&path), &mut |_| Control::Stop).unwrap();
                parts = Checkpoint::load(&path).unwrap();
                stops += 1;
            }
            assert!(stops > 6, "{stops}");
            assert_eq!(parts.now, whole.now);
            assert_eq!(parts.average, whole.average);
            assert_eq!(parts.average.is_some(), kind == Kind::Beyond);
            assert_eq!(parts.best, whole.best);
            for (part, whole) in parts.state.history.iter().zip(&whole.state.history) {
                let timeless = |epoch: &Epoch| Epoch { seconds: 0.0, ..*epoch };
                assert_eq!(timeless(part), timeless(whole));
            }
        });
    }
}

#[test]
fn a_network_learns_what_can_be_learned() {
    with_job(0.1, Kind::Paper, Convolutions::Filtering, |job, card, clips| {
        let start = Checkpoint {
            state: State::new(recipe(8), 1, "test".into()),
            now: glorot_uniform(card, 1).unwrap(),
            average: None,
            best: None,
            optimiser: Vec::new(),
        };
        let end = job.fit(start, &mut |_| Ok(()), &mut |_| Control::Continue).unwrap();
        let last = end.state.history.last().unwrap();
        assert!(last.validation_accuracy > 0.9, "{last:?}");
        let said = job.predict(end.best.as_ref().unwrap(), Part::Test, &mut |_| {}).unwrap();
        let test = job.split.part(Part::Test);
        assert_eq!((said.logits.len(), said.embedding.len()), (2 * test.len(), 8 * test.len()));
        let right = said
            .logits
            .chunks(2)
            .zip(test)
            .filter(|(logits, clip)| usize::from(logits[1] > logits[0]) == clips[**clip].genre);
        assert!(right.count() * 10 > 9 * test.len());
    });
}
