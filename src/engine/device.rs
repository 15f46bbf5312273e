//! The GPU, if there is one worth it.
//!
//! In: nothing. Out: burn's device and what it calls itself. Software
//! adapters are found out before burn starts, because burn cannot be started
//! twice in one worker.

use burn::tensor::Device;

use super::{adapter::adapter, protocol::EngineProblem, serve::scope};

/// The GPU, through WebGPU.
///
/// # Errors
/// Why there is none. With `software` a software adapter is none of the
/// reasons.
pub(super) async fn gpu(software: bool) -> Result<(Device, String), EngineProblem> {
    let (name, is_software) = adapter(&scope().navigator()).await?;
    if is_software && !software {
        return Err(EngineProblem::Software { adapter: name });
    }
    let device = Device::wgpu_options().init_async().await;
    device.map(|device| (device, name)).map_err(|error| EngineProblem::Failed { detail: error.to_string() })
}
