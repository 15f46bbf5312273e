//! Which call this is: with what, on what, when.

use std::{env, fs, thread};

use burn::tensor::Device;
use needledrop::training::{
    device::{DeviceError, DeviceKind, Gpu},
    history::{Session, Versions},
};

/// Opens the device, and says where it is none of what its name promises.
pub(crate) fn open(kind: DeviceKind) -> Result<Device, DeviceError> {
    let device = kind.open()?;
    if let Some(Gpu { name, is_software: true }) = DeviceKind::gpu(&device) {
        eprintln!(
            "`{}` found no GPU, but {name}, which is software on the processor: `--device cpu` is many times faster.",
            kind.name()
        );
    }
    Ok(device)
}

/// This call of the command.
pub(crate) fn session(kind: DeviceKind, device: &Device) -> Session {
    Session {
        command: command(env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned())),
        device: kind.name().into(),
        machine: machine(device),
        bf16: false,
        warm_up_seconds: None,
        versions: Versions::of_this_build(),
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
    }
}

/// As typed, but of every path its last name only, so that a result tells nothing
/// of the folders of the machine it was made on.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let words = arguments.map(|argument| {
        let (option, value) = match argument.split_once('=') {
            Some((option, value)) if option.starts_with('-') => (format!("{option}="), value.to_owned()),
            _ => (String::new(), argument),
        };
        let name = value.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
        if name.contains(char::is_whitespace) {
            format!("{option}'{name}'")
        } else {
            format!("{option}{name}")
        }
    });
    std::iter::once("needledrop".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// The machine in words: the GPU, where one computes, and the processor.
fn machine(device: &Device) -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let processor = value_of("/proc/cpuinfo", "model name").unwrap_or_else(|| env::consts::ARCH.into());
    let processor = format!("{cores} cores of {processor}");
    match DeviceKind::gpu(device) {
        Some(Gpu { name, .. }) => format!("{name}; {processor}"),
        None => processor,
    }
}

/// The value after `key:` in a file of the system's.
fn value_of(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_tells_no_folders() {
        let typed =
            ["train", "/home/ann/data/gtzan.safetensors", "--row", "8", "-o", "runs/a b/", "--x=/y/z"];
        assert_eq!(
            command(typed.map(String::from).into_iter()),
            "needledrop train gtzan.safetensors --row 8 -o 'a b' --x=z"
        );
    }
}
