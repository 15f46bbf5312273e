//! The steps of a clip's way as they are shown, one at a time.
//!
//! In: how many layers a network has. Out: its steps in order, and their codes
//! in the page's address.

/// A step of the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// The samples.
    #[default]
    Wave,
    /// One frame under its window.
    Frame,
    /// Its Fourier transform.
    Spectrum,
    /// Mel power.
    Mel,
    /// Decibels.
    Decibels,
    /// What the network is shown.
    Picture,
    /// A block's maps, by its position.
    Layer(usize),
    /// Features and hidden layers.
    Dense,
    /// Logits and probabilities.
    Softmax,
}

impl Step {
    /// The steps of a network with so many blocks; silence has those before it.
    pub(super) fn all(blocks: usize, sounding: bool) -> Vec<Self> {
        let mut steps = vec![Self::Wave, Self::Frame, Self::Spectrum, Self::Mel, Self::Decibels];
        if sounding {
            steps.push(Self::Picture);
            steps.extend((0..blocks).map(Self::Layer));
            steps.extend([Self::Dense, Self::Softmax]);
        }
        steps
    }

    /// Its name in the address.
    pub(super) fn code(self) -> String {
        match self {
            Self::Wave => "wave".into(),
            Self::Frame => "frame".into(),
            Self::Spectrum => "spectrum".into(),
            Self::Mel => "mel".into(),
            Self::Decibels => "decibels".into(),
            Self::Picture => "picture".into(),
            Self::Layer(index) => format!("conv{}", index + 1),
            Self::Dense => "dense".into(),
            Self::Softmax => "softmax".into(),
        }
    }

    /// The step of that name.
    pub(super) fn of_code(code: &str) -> Option<Self> {
        let layer = code.strip_prefix("conv").and_then(|number| number.parse::<usize>().ok());
        if let Some(index) = layer.and_then(|number| number.checked_sub(1)) {
            return Some(Self::Layer(index));
        }
        Self::all(0, true).into_iter().find(|step| step.code() == code)
    }

    /// Pixels of the picture that a value of each layer depends on, along one
    /// axis: of each block its kernel and its pool.
    pub(super) fn sight(blocks: &[[usize; 2]], layer: usize) -> usize {
        let (mut sight, mut stride) = (1_usize, 1_usize);
        for [kernel, pool] in blocks.iter().take(layer + 1) {
            let step = kernel.saturating_sub(1).saturating_add(pool.saturating_sub(1));
            sight = sight.saturating_add(step.saturating_mul(stride));
            stride = stride.saturating_mul(*pool);
        }
        sight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_found_by_its_code() {
        for step in Step::all(64, true) {
            assert_eq!(Step::of_code(&step.code()), Some(step));
        }
        for code in ["", "conv", "conv0", "conv-1", "Wave", "conv1x"] {
            assert_eq!(Step::of_code(code), None, "{code}");
        }
    }

    #[test]
    fn silence_ends_before_the_network() {
        assert_eq!(Step::all(6, true).len(), 14);
        assert_eq!(Step::all(6, false).last(), Some(&Step::Decibels));
    }

    #[test]
    fn deeper_layers_see_more() {
        let row_8 = [[5, 2]; 6];
        let sights: Vec<_> = (0..6).map(|layer| Step::sight(&row_8, layer)).collect();
        assert_eq!(sights, [6, 16, 36, 76, 156, 316]);
        assert_eq!(Step::sight(&[[usize::MAX, usize::MAX]; 9], 8), usize::MAX);
    }
}
