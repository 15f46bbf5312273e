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
    #[error("the device `{name}` does not answer: {reason}; `--device cpu` needs none")]
    Silent {
        /// Its name.
        name: &'static str,
        /// What was said.
        reason: String,
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
            let sum = Tensor::<1>::ones([16], &device).sum().try_into_scalar::<f32>();
            match sum {
                Ok(sum) if (sum - 16.0).abs() < 1e-3 => Ok(device),
                Ok(sum) => Err(format!("it adds sixteen ones to {sum}")),
                Err(error) => Err(error.to_string()),
            }
        };
        // burn's GPU runtimes panic where there is no driver.
        let outcome = std::panic::catch_unwind(open).unwrap_or_else(|panic| Err(panic_message(&*panic)));
        outcome.map_err(|reason| DeviceError::Silent { name: self.name(), reason })
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

/// What a panic said.
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().map(|message| (*message).to_owned());
    message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".into())
}

#[cfg(test)]
mod tests {
    use super::*;

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
