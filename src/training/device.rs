//! Which device trains.
//!
//! In: the name given on the command line. Out: burn's device, checked to
//! answer.

use burn::tensor::{Device, FloatDType, Tensor};

use super::fit::Convolutions;
use crate::network::tiles::MatrixUnit;

/// A kind of device, chosen at run time among those that were built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor, on all cores: our own convolutions where they suit the
    /// network, burn's Flex for the rest.
    Cpu,
    /// The processor, burn's Flex for everything.
    Flex,
    /// As [`Cpu`](Self::Cpu), on the processor's matrix unit, from numbers of 16 bits.
    Amx,
    /// The processor, burn's backend on the crate ndarray for everything: to be timed beside
    /// Flex (`scripts/bench-training.sh`).
    #[cfg(feature = "ndarray")]
    NdArray,
    /// An NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Cuda,
    /// Any GPU that Vulkan, Metal or DirectX 12 reaches.
    #[cfg(feature = "wgpu")]
    Wgpu,
}

/// What computes in a processor's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// As the driver has it.
    pub name: String,
    /// Whether the processor computes after all.
    pub is_software: bool,
}

/// Why there is no such device.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No device of that name, or not in this build.
    #[error("there is no device `{name}` in this build; it has: {known}{hint}")]
    Unknown {
        /// As given.
        name: String,
        /// What there is.
        known: String,
        /// How to get it.
        hint: &'static str,
    },
    /// The device is built in and does not answer.
    #[error("the device `{name}` does not answer: {reason}{hint}; `--device cpu` needs none of that")]
    Silent {
        /// Its name.
        name: &'static str,
        /// What was said.
        reason: String,
        /// What it needs.
        hint: &'static str,
    },
    /// It does not compute in bfloat16 when that is asked for.
    #[error("the device `{name}` cannot be told to compute in bfloat16: leave out --bf16{hint}")]
    NoBfloat16 {
        /// Its name.
        name: &'static str,
        /// What does.
        hint: &'static str,
    },
}

impl DeviceKind {
    /// All that this build has.
    pub const ALL: &[Self] = &[
        Self::Cpu,
        Self::Flex,
        Self::Amx,
        #[cfg(feature = "ndarray")]
        Self::NdArray,
        #[cfg(feature = "cuda")]
        Self::Cuda,
        #[cfg(feature = "wgpu")]
        Self::Wgpu,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Flex => "flex",
            Self::Amx => "amx",
            #[cfg(feature = "ndarray")]
            Self::NdArray => "ndarray",
            #[cfg(feature = "cuda")]
            Self::Cuda => "cuda",
            #[cfg(feature = "wgpu")]
            Self::Wgpu => "wgpu",
        }
    }

    /// Whether it is the processor.
    pub fn is_processor(self) -> bool {
        match self {
            Self::Cpu | Self::Flex | Self::Amx => true,
            #[cfg(feature = "ndarray")]
            Self::NdArray => true,
            #[cfg(any(feature = "cuda", feature = "wgpu"))]
            _ => false,
        }
    }

    /// What computes convolutions on it.
    pub fn convolutions(self) -> Convolutions {
        match self {
            Self::Cpu => Convolutions::Filtering,
            Self::Amx => MatrixUnit::new().map_or(Convolutions::Burn, Convolutions::Tiles),
            _ => Convolutions::Burn,
        }
    }

    /// Whether products in 32 bits may be of factors rounded to tf32, ten bits after the point:
    /// burn's tuning takes that where it is faster, and has no setting against it.
    pub fn may_round_to_tf32(self) -> bool {
        #[cfg(feature = "cuda")]
        return self == Self::Cuda;
        #[cfg(not(feature = "cuda"))]
        false
    }

    /// As [`Self::convolutions`], in training from factors rounded to bfloat16.
    ///
    /// # Errors
    /// [`DeviceError::NoBfloat16`] where `device`, which is of this kind, cannot do that.
    pub fn convolutions_in_bfloat16(self, device: &Device) -> Result<Convolutions, DeviceError> {
        let none = |hint| Err(DeviceError::NoBfloat16 { name: self.name(), hint });
        match self {
            Self::Amx => none("; its convolutions do so in any case, where filters come in sixteens"),
            Self::Cpu => none(", or say `--device amx` where the processor has a matrix unit"),
            _ if device.supports_dtype(FloatDType::BF16) => Ok(Convolutions::Bfloat16),
            _ => none(""),
        }
    }

    /// What the GPU behind `device` calls itself, and whether it is one, or software that
    /// does as if; nothing where no GPU computes.
    pub fn gpu(device: &Device) -> Option<Gpu> {
        #[cfg(any(feature = "cuda", feature = "wgpu"))]
        return device.identity().map(|gpu| Gpu { name: gpu.name, is_software: gpu.physical.is_none() });
        #[cfg(not(any(feature = "cuda", feature = "wgpu")))]
        {
            _ = device;
            None
        }
    }

    /// Opens the device and has it compute something.
    ///
    /// # Errors
    /// [`DeviceError::Silent`] where there is none, or it fails.
    pub fn open(self) -> Result<Device, DeviceError> {
        let open = || -> Result<Device, String> {
            let device = match self {
                Self::Amx if MatrixUnit::new().is_none() => {
                    return Err(
                        "this processor has no matrix unit (Intel AMX), or the system keeps it".into()
                    );
                }
                Self::Cpu | Self::Flex | Self::Amx => Device::flex(),
                // burn means to take it away; so shall this go then.
                #[cfg(feature = "ndarray")]
                #[allow(deprecated, reason = "to be timed beside its successor")]
                Self::NdArray => Device::ndarray(),
                #[cfg(feature = "cuda")]
                Self::Cuda => Device::cuda(burn::tensor::DeviceIndex::Default),
                #[cfg(feature = "wgpu")]
                Self::Wgpu => Device::wgpu(burn::tensor::DeviceKind::DefaultDevice),
            };
            computes(&device)?;
            Ok(device)
        };
        // burn's GPU runtimes panic where there is no driver.
        let outcome = std::panic::catch_unwind(open).unwrap_or_else(|panic| Err(panic_message(&*panic)));
        let name = self.name();
        outcome.map_err(|reason| DeviceError::Silent { name, reason: innermost(&reason), hint: self.needs() })
    }

    /// What it needs beside this build, where it does not answer.
    fn needs(self) -> &'static str {
        if self.name() != "cuda" {
            return "";
        }
        "; it needs NVIDIA's driver and, of the CUDA toolkit, nvvm/libdevice/libdevice.10.bc, under $CUDA_PATH \
         where that is set, else under /usr/local/cuda, /opt/cuda, /usr/lib/cuda or /usr"
    }
}

impl std::str::FromStr for DeviceKind {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name).ok_or_else(|| DeviceError::Unknown {
            name: name.into(),
            known: Self::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "),
            hint: match name {
                "ndarray" => "; build with `--features ndarray`",
                "cuda" => "; build with `--features cuda`",
                "wgpu" => "; build with `--features wgpu`",
                _ => "",
            },
        })
    }
}

/// Has a device compute what every training needs. Sums alone would not do: for `exp` and `log`
/// burn's programs for CUDA need a file of NVIDIA's toolkit, and whoever has the driver alone
/// should hear so now, not after minutes of tuning.
fn computes(device: &Device) -> Result<(), String> {
    let numbers = [0.5, 1.0, 2.0, 3.0_f32];
    let on_device = Tensor::<1>::from_data(numbers, device);
    let checks = [
        ("the sum of sixteen ones", Tensor::<1>::ones([16], device).sum(), vec![16.0]),
        ("exp of 0.5, 1, 2 and 3", on_device.clone().exp(), numbers.map(f32::exp).to_vec()),
        ("log of 0.5, 1, 2 and 3", on_device.log(), numbers.map(f32::ln).to_vec()),
    ];
    for (what, found, right) in checks {
        let found = found.try_into_data().map_err(|error| error.to_string())?;
        let found: Vec<f32> = found.try_into_vec().map_err(|error| error.to_string())?;
        // What is no number is not near one.
        let is_near = |(found, right): (&f32, &f32)| (found - right).abs() < 1e-3;
        if found.len() != right.len() || !found.iter().zip(&right).all(is_near) {
            return Err(format!("it makes {what} {found:?} in place of {right:?}"));
        }
    }
    Ok(())
}

/// What a failure comes down to: burn tells each error's cause below it, and under the last of
/// them the way there through its code.
fn innermost(reason: &str) -> String {
    let causes = reason.split("\nBacktrace").next().unwrap_or(reason);
    let cause = causes.rsplit("Caused by:").next().unwrap_or(causes);
    let words = cause.split_whitespace().collect::<Vec<_>>().join(" ");
    words.trim_end_matches('.').to_owned()
}

/// What a panic said.
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().map(|message| (*message).to_owned());
    message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_says_is_told_without_the_way_there() {
        let said = "An error happened during execution\nCaused by:\n  A compilation error happened\n\
                    Caused by:\n  a file was not found: Set CUDA_PATH to\n  a toolkit.\nBacktrace:\n  0: main";
        assert_eq!(innermost(said), "a file was not found: Set CUDA_PATH to a toolkit");
        assert_eq!(innermost("it panicked"), "it panicked");
    }

    #[test]
    fn processors_compute_what_a_training_needs() {
        assert_eq!(computes(&Device::flex()), Ok(()));
    }

    #[test]
    fn a_device_that_is_not_built_in_says_how_to_get_it() {
        for (name, hint) in [("metal", ""), ("cuda", "; build with `--features cuda`")] {
            if DeviceKind::ALL.iter().any(|kind| kind.name() == name) {
                continue;
            }
            let said = name.parse::<DeviceKind>().expect_err("it is not built in").to_string();
            let known = DeviceKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
            assert_eq!(said, format!("there is no device `{name}` in this build; it has: {known}{hint}"));
        }
    }
}
