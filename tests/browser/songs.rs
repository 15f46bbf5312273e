//! From drop to verdict: real files in a real browser, held against the command
//! line's verdicts on the same files.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    build,
    closer::RIGHT,
    library::{press, stored},
    page::{Browser, Options},
    server::Server,
    shared,
    shell::KEPT,
    webm,
};

/// A verdict takes seconds; a machine that also compiles takes longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// SwiftShader takes seconds over each clip, and half a minute to begin.
const SOFTWARE_LIMIT: Duration = Duration::from_secs(400);
/// Difference of a probability that WebGPU, wasm and native arithmetic may make.
const TOLERANCE: f64 = 0.01;

/// No song is waiting or being heard.
pub(crate) const AT_REST: &str = "[...document.querySelectorAll('[data-testid=song]')].length > 0 && \
    [...document.querySelectorAll('[data-testid=song]')].every((song) => \
    !['queued', 'busy'].includes(song.dataset.state))";

pub(crate) fn open(server: &Server, options: &Options) -> Browser {
    let browser = Browser::launch(options);
    browser.open(&server.url());
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    browser
}

/// Waits until so many songs are on the list: of several files each comes by itself.
fn wait_for_songs(browser: &Browser, songs: usize) {
    let count = "document.querySelectorAll('[data-testid=song]').length";
    browser.wait_until(&format!("{count} === {songs}"), LIMIT);
}

pub(crate) fn results(browser: &Browser) -> Vec<Value> {
    let text = browser.eval("window.needledrop.results()");
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

/// Which of several it is: what has arguments stands by its name.
fn code(value: &Value) -> &str {
    let named = value.as_object().and_then(|fields| fields.keys().next());
    value.as_str().or(named.map(String::as_str)).unwrap_or_default()
}

fn result<'a>(results: &'a [Value], file: &str) -> &'a Value {
    results
        .iter()
        .find(|song| song["file"] == file)
        .unwrap_or_else(|| panic!("{file} is not among {results:#?}"))
}

/// A folder for the files of one test, empty where it is asked for first: an earlier
/// run may have had others.
pub(crate) fn folder(name: &str) -> PathBuf {
    static EMPTIED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("songs").join(name);
    let mut emptied = EMPTIED.lock().unwrap_or_else(PoisonError::into_inner);
    if emptied.insert(name.to_owned()) && folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

pub(crate) fn ffmpeg(arguments: &[&str], output: &Path) {
    let done =
        Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y"]).args(arguments).arg(output).status();
    let done = done.expect("there is no ffmpeg: run `make test`, which brings it");
    assert!(done.success(), "ffmpeg {arguments:?}");
}

fn encode_opus(original: &Path, opus: &Path) {
    let rate = ["-ar", "48000", "-ac", "2", "-c:a", "libopus", "-b:a", "128k"];
    ffmpeg(&[&["-i", original.to_str().unwrap()], &rate[..]].concat(), opus);
}

/// Real songs where there are some, else two that ffmpeg makes.
pub(crate) fn songs(folder: &Path) -> Vec<PathBuf> {
    let shared = shared::folder();
    let real: Vec<_> = ["blues/blues.00000.flac", "disco/disco.00000.flac"]
        .map(|song| shared.join("data/audio").join(song))
        .into_iter()
        // A browser is given no file whose path climbs.
        .filter_map(|song| fs::canonicalize(song).ok())
        .collect();
    if real.len() == 2 {
        return real;
    }
    println!("there is no music at {}: the songs are made by ffmpeg", shared.display());
    // A tune over four chords and a rhythm below them: music, as the page's network hears it.
    let root = "pow(2\\,(5*eq(floor(mod(t/2\\,4))\\,1)+7*eq(floor(mod(t/2\\,4))\\,2)+9*eq(floor(mod(t/2\\,4))\\,3))/12)";
    let saw = |hertz: f32| format!("(mod({hertz}*{root}*t\\,1)-0.5)");
    let bass = format!("0.15*{}*exp(-3*mod(t\\,0.25))", saw(55.0));
    let snare = "0.15*(random(0)*2-1)*exp(-20*mod(t+0.5\\,1))";
    let chords = format!("0.1*({}+{}+{})*exp(-1.5*mod(t\\,0.5))", saw(220.0), saw(277.2), saw(329.6));
    let third_and_fifth = "pow(2\\,(4*gt(mod(t\\,0.75)\\,0.25)+3*gt(mod(t\\,0.75)\\,0.5))/12)";
    let melody = format!("0.1*sin(2*PI*440*{root}*{third_and_fifth}*t)*exp(-4*mod(t\\,0.25))");
    let kick = "0.4*sin(2*PI*55*mod(t\\,0.5)*(1+2*exp(-30*mod(t\\,0.5))))*exp(-8*mod(t\\,0.5))";
    let hat = "0.05*(random(1)*2-1)*exp(-60*mod(t\\,0.125))";
    let tune = format!("aevalsrc={chords}+{melody}+{snare}+{bass}:s=22050:d=30");
    let rhythm = format!("aevalsrc={kick}+{snare}+{hat}+{bass}:s=22050:d=30");
    [("tune", &tune), ("rhythm", &rhythm)]
        .map(|(name, source)| {
            let song = folder.join(format!("{name}.flac"));
            ffmpeg(&["-f", "lavfi", "-i", source], &song);
            song
        })
        .to_vec()
}

/// What the page calls the paper's network.
pub(crate) const PAPERS_NAME: &str = "Experiment 8";

/// Which model the page uses, by name.
const CHOSEN: &str =
    "document.querySelector('[data-testid=model-choice]')?.selectedOptions[0]?.textContent.trim()";

/// The paper's network, whose verdicts take their time.
fn papers_network() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("www/model/row8.safetensors")
}

/// Has the page use the model at that place of its list.
fn choose_model(browser: &Browser, place: usize) {
    browser.eval(&format!(
        "(() => {{ const choice = document.querySelector('[data-testid=model-choice]'); \
         choice.selectedIndex = {place}; choice.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()"
    ));
}

/// Has the page use the paper's network.
pub(crate) fn choose_papers_network(browser: &Browser) {
    browser.wait_until(&format!("{CHOSEN} !== undefined"), LIMIT);
    browser.click("[data-testid=papers-model]");
    browser.wait_until(&format!("{CHOSEN} === '{PAPERS_NAME}'"), LIMIT);
}

/// What the command line says of files, in their order.
pub(crate) fn heard(files: &[PathBuf]) -> Vec<Value> {
    heard_by(None, files)
}

/// The same by another model than the shipped one.
fn heard_by(model: Option<&Path>, files: &[PathBuf]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_needledrop"));
    command.args(["classify", "--json"]);
    if let Some(model) = model {
        command.arg("--model").arg(model);
    }
    let output = command.args(files).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), files.len(), "{text}");
    lines
}

/// Holds that two lists of probabilities say the same; silence has none.
fn assert_same_probabilities(found: &Value, expected: &Value, whose: &str) {
    let [found, expected] = [found, expected].map(|list| list.as_array().unwrap());
    assert_eq!(found.len(), expected.len(), "{whose}: probabilities");
    let differences =
        found.iter().zip(expected).map(|(a, b)| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs());
    let largest = differences.fold(0.0, f64::max);
    assert!(largest < TOLERANCE, "{whose}: {largest}");
}

pub(crate) fn assert_same_verdicts(song: &Value, expected: &Value) {
    assert_eq!(song["state"], "done", "{song:#}");
    let (found, expected_clips) = (song["clips"].as_array().unwrap(), expected["clips"].as_array().unwrap());
    assert_eq!(found.len(), expected_clips.len(), "{}: clips", song["file"]);
    assert!(!found.is_empty());
    for (clip, expected) in found.iter().zip(expected_clips) {
        let whose = format!("{}, clip {}", song["file"], clip["clip"]);
        assert_eq!(clip["clip"], expected["clip"], "{whose}");
        assert_same_probabilities(&clip["probabilities"], &expected["probabilities"], &whose);
        assert!(clip["refused"].is_boolean());
        assert_eq!(clip["refused"], expected["refused"], "{whose}");
    }
    let whose = song["file"].to_string();
    assert!(song["verdict"].is_string());
    assert_eq!(song["verdict"], expected["song"]["verdict"], "{whose}");
    // The command line says nothing of a silent song's.
    let silence = json!([]);
    let expected = expected["song"].get("probabilities").unwrap_or(&silence);
    assert_same_probabilities(&song["probabilities"], expected, &whose);
}

#[test]
fn every_format_has_the_command_lines_verdicts() {
    let folder = folder("formats");
    let album = folder.join("album");
    fs::create_dir_all(album.join("side b")).unwrap();
    let originals = songs(&folder);
    let mut dropped = Vec::new();
    // Pairs of a dropped file and one that the command line can decode.
    let mut pairs = Vec::new();
    for original in &originals {
        let stem = original.file_stem().unwrap().to_str().unwrap().to_owned();
        let input = ["-i", original.to_str().unwrap(), "-ar", "44100", "-ac", "2"];
        for (extension, codec) in [("mp3", "libmp3lame"), ("m4a", "aac"), ("ogg", "libvorbis")] {
            let file = album.join(format!("{stem}.{extension}"));
            ffmpeg(&[&input[..], &["-c:a", codec]].concat(), &file);
            pairs.push((file.clone(), file));
        }
        // WebCodecs decodes Opus and surround AAC for the page; ffmpeg for the command line.
        let mut browsers = |extension: &str, encode: &dyn Fn(&Path)| {
            let file = album.join("side b").join(format!("{stem}.{extension}"));
            let decoded = folder.join(format!("{stem}.{extension}.wav"));
            encode(&file);
            // symphonia reads no edit list: what an encoder puts before the sound is heard.
            let whole: &[&str] = if extension.ends_with("m4a") { &["-ignore_editlist", "1"] } else { &[] };
            ffmpeg(&[whole, &["-i", file.to_str().unwrap()]].concat(), &decoded);
            pairs.push((file, decoded));
        };
        browsers("opus", &|file| encode_opus(original, file));
        browsers("webm", &|file| encode_opus(original, file));
        browsers("surround.m4a", &|file| {
            ffmpeg(&[&input[..4], &["-ac", "6", "-c:a", "aac", "-b:a", "320k"]].concat(), file);
        });
        pairs.push((original.clone(), original.clone()));
        dropped.push(original.as_path());
    }
    dropped.push(&album);

    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    browser.drop_files("[data-testid=drop-zone]", &dropped);
    let count = format!("document.querySelectorAll('[data-testid=song]').length === {}", pairs.len());
    browser.wait_until(&count, LIMIT);
    browser.wait_until(AT_REST, LIMIT);
    let results = results(&browser);
    let expected = heard(&pairs.iter().map(|(_, decodable)| decodable.clone()).collect::<Vec<_>>());
    for ((file, _), expected) in pairs.iter().zip(&expected) {
        assert_same_verdicts(result(&results, file.file_name().unwrap().to_str().unwrap()), expected);
    }
    browser.assert_content();
    browser.assert_asked_only(&server.origin());
}

/// What a worker's script is given besides: it has no WebCodecs, and says so.
const WITHOUT_WEBCODECS: &str = "
delete globalThis.AudioDecoder;
new BroadcastChannel('codecs').postMessage(typeof AudioDecoder);
";

/// Keeps what the workers say of WebCodecs, and counts what the page decodes itself.
const WATCH_DECODING: &str = "window.codecs = []; window.decodings = 0;
window.ear = new BroadcastChannel('codecs');
ear.onmessage = ({ data }) => codecs.push(data);
const decode = BaseAudioContext.prototype.decodeAudioData;
BaseAudioContext.prototype.decodeAudioData = function (...file) {
  decodings += 1;
  return decode.apply(this, file);
};";

/// Silence stands for what was lost.
#[test]
fn a_damaged_opus_is_heard_to_its_end_and_as_long_as_it_was() {
    let folder = folder("damaged-opus");
    let (whole, damaged) = (folder.join("whole.opus"), folder.join("damaged.opus"));
    encode_opus(&songs(&folder)[1], &whole);
    let mut bytes = fs::read(&whole).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&damaged, bytes).unwrap();
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    browser.drop_files("[data-testid=drop-zone]", &[&whole, &damaged]);
    wait_for_songs(&browser, 2);
    browser.wait_until(AT_REST, LIMIT);
    let results = results(&browser);
    let [whole, damaged] = ["whole.opus", "damaged.opus"].map(|name| result(&results, name));
    assert_eq!((&whole["state"], &damaged["state"]), (&json!("done"), &json!("done")), "{damaged:#}");
    let seconds = |song: &Value| song["seconds"].as_f64().unwrap();
    assert!((seconds(whole) - seconds(damaged)).abs() < 0.1, "{} and {}", seconds(whole), seconds(damaged));
    browser.wait_for_text("[data-testid=notices]", "One damaged piece was left out.", LIMIT);
    browser.assert_content();
}

/// A WebM has no sums over its packets: what is damaged comes to the browser's decoder, which
/// fails and is never the same again. Where it was to speak there is silence, and another goes on.
#[test]
fn an_opus_whose_packets_are_damaged_is_heard_to_its_end_and_as_long_as_it_was() {
    let folder = folder("damaged-webm");
    let whole = folder.join("whole.webm");
    encode_opus(&songs(&folder)[1], &whole);
    let bytes = fs::read(&whole).unwrap();
    let blocks = webm::blocks(&bytes);
    assert!(blocks.len() > 1400, "{}", blocks.len());
    let last = blocks.len() - 1;
    // The first and the last, one in the middle, and most of a second.
    for (name, damaged) in [("first", 0..1), ("one", 700..701), ("many", 700..740), ("last", last..last + 1)]
    {
        let mut bytes = bytes.clone();
        for block in &blocks[damaged] {
            // As many frames as the next byte says, and it says none (RFC 6716, 3.2.5).
            bytes[block.start + 4..block.start + 6].copy_from_slice(&[0xff, 0x00]);
        }
        fs::write(folder.join(format!("{name}.webm")), bytes).unwrap();
    }
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    let damaged = ["first.webm", "one.webm", "many.webm", "last.webm"];
    let files: Vec<_> = ["whole.webm"].iter().chain(&damaged).map(|name| folder.join(name)).collect();
    browser.drop_files("[data-testid=drop-zone]", &files.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    wait_for_songs(&browser, files.len());
    browser.wait_until(AT_REST, LIMIT);
    let results = results(&browser);
    let whole = result(&results, "whole.webm");
    let seconds = |song: &Value| song["seconds"].as_f64().unwrap();
    for name in damaged {
        let damaged = result(&results, name);
        assert_eq!(damaged["state"], "done", "{damaged:#}");
        let missing = seconds(whole) - seconds(damaged);
        assert!(missing.abs() < 0.05, "{name}: {missing} s are missing");
    }
    browser.wait_for_text("[data-testid=notices]", "One damaged piece was left out.", LIMIT);
    browser.wait_until("document.body.textContent.includes('40 damaged pieces were left out')", LIMIT);
    browser.assert_content();
}

#[test]
fn without_webcodecs_the_page_decodes_opus_itself() {
    let folder = folder("without-webcodecs");
    let (opus, decoded) = (folder.join("song.opus"), folder.join("song.wav"));
    let untitled = folder.join("untitled.opus");
    encode_opus(&songs(&folder)[1], &untitled);
    ffmpeg(&["-i", untitled.to_str().unwrap(), "-c", "copy", "-metadata", "title=A name of its own"], &opus);
    ffmpeg(&["-i", opus.to_str().unwrap()], &decoded);

    let page = build::with_worker_script(WITHOUT_WEBCODECS);
    let server = Server::start(page.path(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page(WATCH_DECODING);
    browser.open(&server.url());
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    browser.drop_files("[data-testid=drop-zone]", &[&opus]);
    browser.wait_until(AT_REST, LIMIT);
    assert_same_verdicts(&results(&browser)[0], &heard(&[decoded])[0]);
    // What its container said of it stays.
    browser.wait_for_text("[data-testid=song]", "A name of its own", LIMIT);
    assert_eq!(browser.eval("decodings"), 1);
    // Once more for each question about a clip, which is cut from the file.
    browser.click("[data-testid=closer]");
    browser.wait_until("document.querySelector('[data-testid=ask-why]')?.ariaDisabled === 'false'", LIMIT);
    // A view that has opened is given the keyboard, and scrolled to.
    browser.wait_until("document.activeElement.id === 'closer-title'", LIMIT);
    browser.click("[data-testid=ask-why]");
    browser.wait_until("document.querySelector('[data-testid=why]').dataset.state === 'done'", LIMIT);
    assert_eq!(browser.eval("decodings"), 2);
    let code = browser.eval("location.hash.match(/song=([^&]*)/)[1]");
    browser.go(&format!("inside?song={}&clip=1", code.as_str().unwrap()));
    browser.wait_until("document.querySelector('[data-testid=inside]')?.dataset.state === 'shown'", LIMIT);
    assert_eq!(browser.eval("decodings"), 3);
    assert_eq!(browser.eval("codecs.length > 0 && codecs.every((codec) => codec === 'undefined')"), true);
}

#[test]
fn a_song_is_heard_offline() {
    let folder = folder("offline");
    let song = songs(&folder).remove(0);
    let mut server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    browser.wait_until("document.documentElement.dataset.offline === 'ready'", LIMIT);
    server.stop();
    browser.reload();
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    browser.eval("void window.dispatchEvent(new Event('offline'))");
    browser.drop_files("[data-testid=drop-zone]", &[&song]);
    browser.wait_until(AT_REST, LIMIT);
    assert_same_verdicts(&results(&browser)[0], &heard(&[song])[0]);
    browser.wait_for_text("[data-testid=offline]", "Everything here goes on working", LIMIT);
}

/// A browser in which the software GPU has taken over.
fn on_software_gpu(server: &Server) -> Browser {
    let browser = open(server, &Options { software_webgpu: true, ..Options::default() });
    browser.wait_until(KEPT, LIMIT);
    choose_gpu(&browser);
    browser
}

/// What runs: `cpu` or `gpu`.
const ENGINE_STATE: &str = "document.querySelector('[data-testid=engine]').dataset.state";

/// Asks for the GPU and waits until it runs.
fn choose_gpu(browser: &Browser) {
    // The radio button itself is hidden; its label is what a person sees.
    browser.click("label:has([data-testid=run-on-gpu])");
    browser.wait_until(&format!("{ENGINE_STATE} === 'gpu'"), SOFTWARE_LIMIT);
}

/// The first seconds of a song.
pub(crate) fn excerpt(name: &str, seconds: &str) -> PathBuf {
    let folder = folder(name);
    let song = songs(&folder).remove(1);
    let excerpt = folder.join("excerpt.wav");
    ffmpeg(&["-i", song.to_str().unwrap(), "-t", seconds], &excerpt);
    excerpt
}

#[test]
fn webgpu_has_the_command_lines_verdicts() {
    let song = excerpt("webgpu", "6");
    let mut server = Server::start(&build::folder(), "/");
    let browser = on_software_gpu(&server);
    browser.drop_files("[data-testid=drop-zone]", &[&song]);
    browser.wait_until(AT_REST, SOFTWARE_LIMIT);
    assert_same_verdicts(&results(&browser)[0], &heard(&[song])[0]);
    assert_eq!(browser.eval(ENGINE_STATE), "gpu", "the GPU did not stay");

    // What it needs was kept when it was wanted.
    server.stop();
    browser.reload();
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    choose_gpu(&browser);
}

#[test]
fn a_song_goes_on_when_the_gpu_crashes() {
    let song = excerpt("crash", "24");
    let server = Server::start(&build::folder(), "/");
    let browser = on_software_gpu(&server);
    // It leaves the time for a crash.
    choose_papers_network(&browser);
    browser.drop_files("[data-testid=drop-zone]", &[&song]);
    browser.wait_until("JSON.parse(window.needledrop.results())[0].clips.length > 0", SOFTWARE_LIMIT);
    let before = results(&browser)[0]["clips"].as_array().unwrap().clone();
    browser.devtools("Browser.crashGpuProcess", serde_json::json!({}));
    // The CPU goes ahead; the GPU comes back in its time.
    browser.wait_until(&format!("{ENGINE_STATE} === 'cpu'"), LIMIT);
    browser.wait_until(AT_REST, SOFTWARE_LIMIT);
    let after = &results(&browser)[0];
    let clips = after["clips"].as_array().unwrap();
    assert!(before.len() < clips.len(), "the song was over before the crash");
    assert_eq!(&clips[..before.len()], before);
    assert_same_verdicts(after, &heard_by(Some(&papers_network()), &[song])[0]);
    browser.wait_until(&format!("{ENGINE_STATE} === 'gpu'"), SOFTWARE_LIMIT);
}

/// A song as a WAV file of floats whose last `most` samples all have one value.
fn samples_of(song: &Path, value: f32, most: usize) -> Vec<u8> {
    let floats = folder("floats").join("song.wav");
    ffmpeg(&["-i", song.to_str().unwrap(), "-c:a", "pcm_f32le"], &floats);
    let mut bytes = fs::read(floats).unwrap();
    let data = bytes.windows(4).position(|window| window == b"data").unwrap() + 8;
    let samples = bytes[data..].as_chunks_mut::<4>().0;
    let first = samples.len().saturating_sub(most);
    samples[first..].fill(value.to_le_bytes());
    bytes
}

#[test]
fn every_bad_file_says_what_is_wrong_and_the_good_one_goes_on() {
    let folder = folder("bad");
    let good = excerpt("good", "5");
    let wav = fs::read(&good).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.join(name), bytes).unwrap();
        name.to_owned()
    };
    let mut lying = wav.clone();
    let data = lying.windows(4).position(|window| window == b"data").unwrap();
    lying[data + 4..data + 8].copy_from_slice(&u32::MAX.to_le_bytes());
    let mp3 = folder.join("whole.mp3");
    ffmpeg(&["-i", good.to_str().unwrap(), "-c:a", "libmp3lame"], &mp3);
    let mp3 = fs::read(mp3).unwrap();
    fs::remove_file(folder.join("whole.mp3")).unwrap();
    let silence = folder.join("silence.wav");
    ffmpeg(&["-f", "lavfi", "-i", "anullsrc=r=22050:cl=mono", "-t", "4"], &silence);
    let short = folder.join("short.wav");
    ffmpeg(&["-i", good.to_str().unwrap(), "-t", "0.5"], &short);
    let six = folder.join("six channels at 192 kHz.wav");
    ffmpeg(&["-i", good.to_str().unwrap(), "-ar", "192000", "-ac", "6"], &six);
    let nan = samples_of(&good, f32::NAN, 20_000);
    let infinite = samples_of(&good, f32::INFINITY, 20_000);
    let only_infinite = samples_of(&good, f32::NEG_INFINITY, usize::MAX);

    let failing = [
        (write("words.mp3", b"This is a letter, not a song. ".repeat(40).as_slice()), "not_audio"),
        (write("empty.flac", b""), "empty"),
        ("short.wav".to_owned(), "too_short"),
        (write("only infinite.wav", &only_infinite), "not_finite"),
    ];
    let heard = [
        write("lying.wav", &lying),
        write("truncated.mp3", &mp3[..mp3.len() * 4 / 5]),
        "silence.wav".to_owned(),
        "six channels at 192 kHz.wav".to_owned(),
        write("not a number.wav", &nan),
        write("infinite.wav", &infinite),
    ];

    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    browser.drop_files("[data-testid=drop-zone]", &[&folder, &good]);
    let count = failing.len() + heard.len() + 1;
    browser.wait_until(&format!("document.querySelectorAll('[data-testid=song]').length === {count}"), LIMIT);
    browser.wait_until(AT_REST, LIMIT);
    let results = results(&browser);
    for (file, problem) in failing {
        let song = result(&results, &file);
        assert_eq!(code(&song["problem"]), problem, "{song:#}");
    }
    for file in heard {
        let song = result(&results, &file);
        assert_eq!(song["state"], "done", "{song:#}");
        let silent = song["probabilities"].as_array().unwrap().is_empty();
        assert_eq!(silent, file == "silence.wav", "{song:#}");
    }
    let notice = |file: &str| code(&result(&results, file)["notices"][0]).to_owned();
    assert_eq!(notice("truncated.mp3"), "truncated");
    assert_eq!(notice("not a number.wav"), "non_finite");
    assert_eq!(notice("infinite.wav"), "non_finite");
    let said = |file: &str, what: &str| {
        browser.text(&format!("[data-song='{}'] [data-testid={what}]", result(&results, file)["song"]))
    };
    let infinite = said("infinite.wav", "notices");
    assert!(infinite.contains("20000 samples are not numbers"), "{infinite}");
    let only_infinite = said("only infinite.wav", "problem");
    assert!(only_infinite.contains("None of its samples is a number"), "{only_infinite}");
    assert_eq!(result(&results, "excerpt.wav")["state"], "done");
    let words = browser.text("[data-song]");
    assert!(!words.is_empty());
    browser.assert_content();
}

#[test]
fn a_folder_without_sound_says_so() {
    let pictures = folder("pictures");
    fs::write(pictures.join("cover.jpg"), b"a picture").unwrap();
    fs::write(pictures.join("booklet.pdf"), b"a booklet").unwrap();
    let empty = folder("nothing");
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    browser.drop_files("[data-testid=drop-zone]", &[&pictures]);
    browser.wait_for_text("[data-testid=notes]", "2 files in the folders are not sound", LIMIT);
    browser.drop_files("[data-testid=drop-zone]", &[&empty]);
    browser.wait_for_text("[data-testid=notes]", "There was no file in what you dropped", LIMIT);
    assert!(results(&browser).is_empty());
    browser.assert_content();
}

#[test]
fn two_hundred_files_at_once_are_all_heard() {
    let folder = folder("many");
    let song = excerpt("one", "3.2");
    for copy in 0..200 {
        fs::copy(&song, folder.join(format!("{copy:03}.wav"))).unwrap();
    }
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    browser.drop_files("[data-testid=drop-zone]", &[&folder]);
    browser.wait_until("document.querySelectorAll('[data-testid=song]').length === 200", LIMIT);
    browser.wait_until(AT_REST, 3 * LIMIT);
    let results = results(&browser);
    let expected = heard(&[song]);
    results.iter().for_each(|song| assert_same_verdicts(song, &expected[0]));
    // Pictures far from the screen are let go of, but not on paper.
    let all_drawn = "[...document.querySelectorAll('canvas.spectrogram')].every(({ width }) => width > 1)";
    assert_eq!(browser.eval(all_drawn), false);
    browser.eval("void dispatchEvent(new Event('beforeprint'))");
    browser.wait_until(all_drawn, LIMIT);
    browser.eval("void dispatchEvent(new Event('afterprint'))");
    browser.wait_until(&format!("!{all_drawn}"), LIMIT);
    browser.assert_content();
}

#[test]
fn a_cancelled_song_is_silent_at_once() {
    let folder = folder("cancel");
    let long = folder.join("long.wav");
    ffmpeg(&["-f", "lavfi", "-i", "anoisesrc=d=3600:r=22050:a=0.3:seed=1"], &long);
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    // Else it could be over before it is stopped.
    choose_papers_network(&browser);
    browser.drop_files("[data-testid=drop-zone]", &[&long]);
    let clips = "JSON.parse(window.needledrop.results())[0].clips.length";
    browser.wait_until(&format!("{clips} > 2"), LIMIT);
    browser.click("[data-testid=stop]");
    let after = browser.eval(clips);
    // The workers hear another once they have done with what they had.
    browser.drop_files("[data-testid=drop-zone]", &[&excerpt("cancel-next", "29")]);
    browser.wait_for("[data-testid=song][data-state=done]", LIMIT);
    assert_eq!(browser.eval(clips), after);
    assert_eq!(result(&results(&browser), "long.wav")["state"], "cancelled");
}

/// Where the playhead of a song is, in seconds.
fn playhead(song: &Value) -> String {
    format!("Number(document.querySelector('{}').getAttribute('aria-valuenow'))", control(song, "seek"))
}

fn control(song: &Value, name: &str) -> String {
    format!("[data-song=\"{}\"] [data-testid={name}]", song["song"])
}

/// Too soon to come to the middle of a song by playing.
const SOON: Duration = Duration::from_secs(5);

/// Clicks the middle of a song's picture and waits until the sound goes on there.
fn assert_seeks_to_the_middle(browser: &Browser, song: &Value) {
    let (playhead, length) = (playhead(song), song["seconds"].as_f64().unwrap());
    browser.click(&control(song, "seek"));
    browser.wait_until(&format!("Math.abs({playhead} - {length} / 2) <= {length} / 10"), SOON);
    let middle = browser.eval(&playhead);
    browser.wait_until(&format!("{playhead} > {middle}"), SOON);
}

/// Keeps the files that the page gives addresses to.
const KEEP_FILES: &str = "window.files = [];
const create = URL.createObjectURL;
URL.createObjectURL = (file) => { files.push(file); return create.call(URL, file); };";

/// The loudest sample of each channel of the last of them.
const HEARD_OF_BOTH_SIDES: &str = "void (async () => {
  const context = new OfflineAudioContext(2, 1, 44100);
  const sound = await context.decodeAudioData(await files.at(-1).arrayBuffer());
  const channels = [...Array(sound.numberOfChannels).keys()].map((channel) => sound.getChannelData(channel));
  window.sides = channels.map((samples) => samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0));
})()";

#[test]
fn what_no_browser_plays_is_played_and_a_click_in_the_picture_goes_there() {
    let folder = folder("playback");
    let (aiff, wav) = (folder.join("song.aiff"), folder.join("song.wav"));
    for file in [&aiff, &wav] {
        // Its left channel alone sounds.
        let left = ["-t", "29", "-af", "pan=stereo|FL=c0"];
        ffmpeg(&[&["-i", songs(&folder)[1].to_str().unwrap()], &left[..]].concat(), file);
    }
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page(KEEP_FILES);
    browser.open(&server.url());
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    assert_eq!(browser.eval("new Audio().canPlayType('audio/aiff')"), "");
    browser.drop_files("[data-testid=drop-zone]", &[&aiff, &wav]);
    wait_for_songs(&browser, 2);
    browser.wait_until(AT_REST, LIMIT);
    let results = results(&browser);

    let aiff = result(&results, "song.aiff");
    // Who goes to a place in it with the keyboard has not asked for sound.
    browser.eval(&format!("document.querySelector('{}').focus()", control(aiff, "seek")));
    browser.press(RIGHT);
    browser.wait_until("files.length > 1 && files.at(-1).type === 'audio/wav'", LIMIT);
    std::thread::sleep(Duration::from_secs(1));
    let play = format!("document.querySelector('{}').className", control(aiff, "play"));
    assert_eq!(browser.eval(&play), "play");
    browser.click(&control(aiff, "play"));
    let moved = browser.wait_until(&playhead(aiff), LIMIT);
    browser.wait_until(&format!("{} > {moved}", playhead(aiff)), LIMIT);
    browser.eval(HEARD_OF_BOTH_SIDES);
    let heard = browser.wait_until("window.sides", LIMIT);
    let [left, right] = [0, 1].map(|side| heard[side].as_f64().unwrap());
    assert!(left > 0.05 && right == 0.0, "{heard}");
    browser.eval("void (window.pcm = files.at(-1))");
    assert_seeks_to_the_middle(&browser, aiff);
    assert_seeks_to_the_middle(&browser, result(&results, "song.wav"));
    // Put on again, it is not made a second time.
    browser.click(&control(aiff, "play"));
    browser.wait_until(&format!("{} > 0", playhead(aiff)), LIMIT);
    assert_eq!(browser.eval("files.at(-1) === pcm"), true);
    browser.assert_content();
}

/// Holds on to what the browser lends of a microphone.
pub(crate) const KEEP_TRACKS: &str = "const ask = MediaDevices.prototype.getUserMedia; window.lent = []; \
    MediaDevices.prototype.getUserMedia = async function (wanted) { \
    const stream = await ask.call(this, wanted); lent.push(...stream.getTracks()); return stream; };";

/// The states of it.
pub(crate) const TRACKS: &str = "lent.map((track) => track.readyState)";

/// Whether whoever closes the page is asked whether it may go.
pub(crate) const ASKS_BEFORE_IT_GOES: &str =
    "!window.dispatchEvent(new Event('beforeunload', { cancelable: true }))";

#[test]
fn the_microphone_is_heard_and_kept_as_a_song() {
    let sound = excerpt("microphone", "20");
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options { microphone: Some(sound), ..Options::default() });
    browser.before_every_page(KEEP_TRACKS);
    browser.reload();
    browser.wait_until("document.querySelector('[data-testid=engine]')?.dataset.state === 'cpu'", LIMIT);
    browser.click("[data-testid=listen]");
    browser.wait_for("[data-testid=live-verdict][data-state=heard]", LIMIT);
    std::thread::sleep(Duration::from_secs(5));
    // It is in no file yet: who closes the page is asked.
    assert_eq!(browser.eval(ASKS_BEFORE_IT_GOES), true);
    browser.click("[data-testid=listen]");
    browser.wait_until(AT_REST, LIMIT);
    let song = &results(&browser)[0];
    assert_eq!(song["state"], "done", "{song:#}");
    assert!(!song["clips"].as_array().unwrap().is_empty());
    assert_eq!(browser.eval(TRACKS), json!(["ended"]));
    browser.assert_content();
}

#[test]
fn a_denied_microphone_and_an_absent_one_are_explained_each_in_its_words() {
    let server = Server::start(&build::folder(), "/");
    let sound = excerpt("denied", "5");
    let denied = Options { microphone: Some(sound), deny_microphone: true, ..Options::default() };
    for (options, words) in
        [(denied, "The microphone was not allowed"), (Options::default(), "No microphone was found")]
    {
        let browser = open(&server, &options);
        browser.click("[data-testid=listen]");
        browser.wait_for_text("[data-testid=microphone-problem]", words, LIMIT);
    }
}

#[test]
fn the_papers_network_is_one_click_away_and_kept_for_offline() {
    let mut server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    browser.wait_until("document.querySelector('[data-testid=engine]').dataset.state === 'cpu'", LIMIT);
    browser.wait_until(KEPT, LIMIT);
    let is_row8 = |path: &String| path.contains("/row8");
    assert!(!server.requests().iter().any(is_row8), "nobody asked for it");
    choose_papers_network(&browser);
    assert!(server.requests().iter().any(is_row8));
    browser.assert_content();

    let song = excerpt("papers", "5");
    browser.drop_files("[data-testid=drop-zone]", &[&song]);
    browser.wait_until(AT_REST, LIMIT);
    assert_same_verdicts(&results(&browser)[0], &heard_by(Some(&papers_network()), &[song])[0]);

    // A link asks for it, too, and there is no server any more.
    server.stop();
    browser.open(&format!("{}?again#listen?model=paper", server.url()));
    browser.wait_until(&format!("{CHOSEN} === '{PAPERS_NAME}'"), LIMIT);
}

/// The paper's network under another name, and the beginning of it, in a folder of that name.
fn weights_of_ones_own(name: &str) -> [PathBuf; 2] {
    let [mine, broken] = ["mine", "broken"].map(|file| folder(name).join(format!("{file}.safetensors")));
    fs::copy(papers_network(), &mine).unwrap();
    fs::write(&broken, &fs::read(&mine).unwrap()[..100_000]).unwrap();
    [mine, broken]
}

#[test]
fn weights_of_ones_own_become_a_model_and_bad_ones_are_refused() {
    let [mine, broken] = weights_of_ones_own("weights");
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    browser.wait_until("document.querySelector('[data-testid=engine]').dataset.state === 'cpu'", LIMIT);
    let models = "document.querySelectorAll('[data-testid=model-choice] option').length";
    assert_eq!(browser.eval(models), 1);
    browser.drop_files("[data-testid=drop-zone]", &[&mine]);
    browser.wait_until(&format!("{models} === 2 && {CHOSEN} === '{PAPERS_NAME}'"), LIMIT);
    browser.drop_files("[data-testid=drop-zone]", &[&broken]);
    browser.wait_for_text("[data-testid=notes]", "broken.safetensors", LIMIT);
    assert_eq!(browser.eval(models), 2);
    let song = excerpt("own", "5");
    browser.drop_files("[data-testid=drop-zone]", &[&song]);
    browser.wait_until(AT_REST, LIMIT);
    assert_same_verdicts(&results(&browser)[0], &heard_by(Some(&mine), &[song])[0]);
}

/// Until somebody wants it otherwise: to be chosen at the next visit, and not listed twice.
#[test]
fn weights_of_ones_own_are_there_at_the_next_visit() {
    let [mine, broken] = weights_of_ones_own("kept-weights");
    let mut server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    browser.wait_until("document.querySelector('[data-testid=engine]').dataset.state === 'cpu'", LIMIT);
    browser.wait_until(KEPT, LIMIT);
    browser.drop_files("[data-testid=drop-zone]", &[&broken]);
    browser.wait_for_text("[data-testid=notes]", "broken.safetensors", LIMIT);
    browser.drop_files("[data-testid=drop-zone]", &[&mine]);
    browser.wait_until(&format!("{CHOSEN} === '{PAPERS_NAME}'"), LIMIT);
    browser.wait_for_text("[data-testid=model-kept]", "keeps it", LIMIT);
    let song = excerpt("kept-weights", "5");
    browser.drop_files("[data-testid=drop-zone]", &[&song]);
    browser.wait_until(AT_REST, LIMIT);

    // The page's own is the one at first; the other needs no server.
    server.stop();
    let visit = |number: u32| {
        browser.open(&format!("{}?visit={number}", server.url()));
        browser.wait_until("document.querySelector('[data-testid=engine]')?.dataset.state === 'cpu'", LIMIT);
        browser.wait_until("document.querySelector('[data-testid=model-choice]')?.value === '0'", LIMIT);
    };
    let names = "[...document.querySelectorAll('[data-testid=model-choice] option')]\
                 .map((model) => model.textContent.trim()).join()";
    visit(2);
    browser.wait_until(&format!("{names} === 'Ears,{PAPERS_NAME}'"), LIMIT);
    assert_eq!(browser.eval("document.querySelector('[data-testid=model-kept]')"), Value::Null);
    choose_model(&browser, 1);
    browser.wait_for_text("[data-testid=model-kept]", "keeps it", LIMIT);
    let heard_again = excerpt("kept-weights-again", "8");
    browser.drop_files("[data-testid=drop-zone]", &[&heard_again]);
    browser.wait_until(AT_REST, LIMIT);
    assert_same_verdicts(&results(&browser)[0], &heard_by(Some(&mine), &[heard_again])[0]);
    browser.drop_files("[data-testid=drop-zone]", &[&mine]);
    browser.wait_for_text("[data-testid=model-kept]", "keeps it", LIMIT);
    assert_eq!(browser.eval(names), format!("Ears,{PAPERS_NAME}"));

    // Nor is it lost where it is not chosen again.
    visit(3);
    browser.wait_until(&format!("{names} === 'Ears,{PAPERS_NAME}'"), LIMIT);
    choose_model(&browser, 1);
    browser.wait_for_text("[data-testid=model-kept]", "keeps it", LIMIT);
    browser.click("[data-testid=keep-model]");
    browser.wait_for_text("[data-testid=model-kept]", "gone when", LIMIT);
    browser.click("[data-testid=keep-model]");
    browser.wait_for_text("[data-testid=model-kept]", "keeps it", LIMIT);
    browser.click("[data-testid=keep-model]");
    browser.wait_for_text("[data-testid=model-kept]", "gone when", LIMIT);
    browser.assert_content();
    browser.wait_until(&format!("{}.then((models) => models.length === 0)", stored("models")), LIMIT);
    visit(4);
    // Songs of earlier visits are listed after the models.
    browser.go("#library");
    browser.wait_for("[data-testid=row]", LIMIT);
    browser.go("#listen");
    browser.wait_until(&format!("{names} !== ''"), LIMIT);
    assert_eq!(browser.eval(names), "Ears");
}

/// Over plain http a browser computes no SHA-256; and a kept file that has been damaged is told of
/// once.
#[test]
fn weights_are_known_again_without_a_digest_of_the_browsers() {
    let [mine, _] = weights_of_ones_own("http-weights");
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page("Object.defineProperty(crypto, 'subtle', { value: undefined });");
    browser.open(&server.url());
    let models = "document.querySelectorAll('[data-testid=model-choice] option').length";
    for _ in 0..2 {
        browser.wait_for("[data-testid=drop-zone]", LIMIT);
        browser.drop_files("[data-testid=drop-zone]", &[&mine]);
        browser.wait_for_text("[data-testid=model-kept]", "keeps it", LIMIT);
        assert_eq!(browser.eval(models), 2);
    }
    // Its last bytes are missing.
    browser.eval(
        "(async () => { \
         const name = (await indexedDB.databases())[0].name; \
         const wait = (request) => new Promise((give, fail) => { \
             request.onsuccess = () => give(request.result); request.onerror = () => fail(request.error); }); \
         const database = await wait(indexedDB.open(name)); \
         const store = database.transaction('models', 'readwrite').objectStore('models'); \
         const [key] = await wait(store.getAllKeys()); const file = await wait(store.get(key)); \
         await wait(store.put(new File([file.slice(0, 100000)], file.name), key)); database.close(); })()",
    );
    browser.open(&format!("{}?again", server.url()));
    browser.wait_until(&format!("{models} === 2"), LIMIT);
    choose_model(&browser, 1);
    browser.wait_for_text("[data-testid=notes]", "not a whole safetensors", LIMIT);
    browser.wait_until(&format!("{models} === 1"), LIMIT);
    browser.open(&format!("{}?once_more", server.url()));
    browser.wait_until("document.querySelector('[data-testid=engine]')?.dataset.state === 'cpu'", LIMIT);
    assert_eq!(browser.eval(models), 1);
}

#[test]
fn after_refused_weights_page_and_engine_go_on_with_the_same_model() {
    let [mine, broken] = weights_of_ones_own("refused");
    let server = Server::start(&build::folder(), "/");
    let browser = open(&server, &Options::default());
    browser.wait_until("document.querySelector('[data-testid=engine]').dataset.state === 'cpu'", LIMIT);
    browser.drop_files("[data-testid=drop-zone]", &[&mine]);
    browser.wait_until(&format!("{CHOSEN} === '{PAPERS_NAME}'"), LIMIT);
    // The page's own again, which is not the last of the list.
    browser.eval(
        "(() => { const choice = document.querySelector('[data-testid=model-choice]'); choice.value = '0'; \
         choice.dispatchEvent(new Event('change', { bubbles: true })); })()",
    );
    browser.drop_files("[data-testid=drop-zone]", &[&broken]);
    browser.wait_for_text("[data-testid=notes]", "broken.safetensors", LIMIT);
    assert_eq!(browser.eval("document.querySelector('[data-testid=model-choice]').value"), "0");
    press(&browser, "[data-testid=notes] button", "main h1, main h2");
    let song = excerpt("refused-song", "5");
    browser.drop_files("[data-testid=drop-zone]", &[&song]);
    browser.wait_until(AT_REST, LIMIT);
    assert_same_verdicts(&results(&browser)[0], &heard(&[song])[0]);
}

/// Gives the page no frame any more once it is told so, as a browser does that hides it.
const HIDE: &str = "const frame = window.requestAnimationFrame; window.hides = false;
window.requestAnimationFrame = (draw) => (hides ? 0 : frame.call(window, draw));";

#[test]
fn what_is_dropped_before_the_page_is_hidden_is_all_taken() {
    let folder = folder("hidden");
    let song = excerpt("hidden-song", "3.2");
    for copy in 0..12 {
        fs::copy(&song, folder.join(format!("{copy}.wav"))).unwrap();
    }
    let server = Server::start(&build::folder(), "/");
    let browser = Browser::launch(&Options::default());
    browser.before_every_page(HIDE);
    browser.open(&server.url());
    browser.wait_for("[data-testid=drop-zone]", LIMIT);
    browser.eval("void (hides = true)");
    browser.drop_files("[data-testid=drop-zone]", &[&folder]);
    let states = "JSON.parse(window.needledrop.results()).map(({ state }) => state)";
    browser
        .wait_until(&format!("{states}.length === 12 && {states}.every((state) => state === 'done')"), LIMIT);
}
