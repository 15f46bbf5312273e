//! All that a card says of how verdicts are made, chosen at once.
//!
//! In: what the network said of music that it did not learn from, of the same as a microphone
//! may hear it, and of what is not music. Out: the [`Calibration`], what each part of it was
//! chosen by, and the answers before and after.

use super::{Candidate, Combinations, Observation, Scalings, candidates};
use crate::{
    classify::rejection::Scorer,
    network::card::{Calibration, Rejection},
    training::evaluate::Answer,
};

/// Probability below which a verdict would more often be wrong than right (C. K. Chow, "On
/// Optimum Recognition Error and Reject Tradeoff", 1970).
const LEAST_CONFIDENCE: f32 = 0.5;

/// What a calibration is chosen on.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// Clips of music.
    pub music: &'a [Observation],
    /// The same as a microphone may hear them, or none: a score that refuses clips is fitted
    /// and judged on them as well.
    pub overheard: &'a [Observation],
    /// Clips of what is not music, or none; `track` is the recording.
    pub others: &'a [Observation],
    /// For each track a number that it has in common with those of its artists: what is judged
    /// on clips that it was not fitted on has all of these on one side. Without it, and for
    /// what is not music, each track is apart.
    pub groups: Option<&'a [usize]>,
    /// How many genres there are.
    pub classes: usize,
}

/// What is not to be chosen, or within which bounds.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Taken as it is, but for the statistics of its rejection score, which are fitted anew.
    pub like: Option<Calibration>,
    /// Share of music that may be refused, 0 to 1.
    pub most_refused: f64,
    /// Probability below which a song's verdict is "not sure", before that of
    /// [`Self::like`]; one half where neither says any.
    pub least_confidence: Option<f32>,
}

/// A calibration, and what it was chosen by.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// For the card.
    pub calibration: Calibration,
    /// How logits may be scaled.
    pub scalings: Scalings,
    /// How clips may be combined, by the answers [`Self::after`].
    pub combinations: Combinations,
    /// Every score that could refuse what is not music, the best, which refuses, first.
    pub candidates: Vec<Candidate>,
    /// Of each clip of music, by the logits as they are.
    pub before: Vec<Answer>,
    /// Of each clip of music, scaled and refused as chosen.
    pub after: Vec<Answer>,
}

impl Heard<'_> {
    /// The clips with their artists' numbers in place of their tracks'.
    fn apart(&self, clips: &[Observation]) -> Vec<Observation> {
        let apart = |clip: &Observation| {
            let group = self.groups.and_then(|groups| groups.get(clip.track)).copied();
            Observation { track: group.unwrap_or(clip.track), ..clip.clone() }
        };
        clips.iter().map(apart).collect()
    }

    /// Chooses scaling, rejection and combination, in this order: each on what the ones before
    /// have made of the clips.
    pub fn choose(&self, given: &Given) -> Chosen {
        let mut music = self.apart(self.music);
        let scalings = Scalings::compare(&music, self.classes);
        let scaling = given.like.clone().unwrap_or_else(|| scalings.better());

        music.extend(self.apart(self.overheard));
        let rejection = given.like.as_ref().and_then(|like| like.rejection);
        let candidates = candidates(&music, self.others, self.classes, given.most_refused, rejection);
        let best = candidates.first();
        let refused = |clip: &Observation| {
            best.is_some_and(|Candidate { scorer, threshold, .. }| scorer.of(clip.evidence()) < *threshold)
        };

        let answer = |scaling: &Calibration, clip: &Observation| {
            Answer::new(&scaling.scaled(&clip.logits), clip.genre, clip.track)
        };
        let before = self.music.iter().map(|clip| answer(&Calibration::default(), clip)).collect();
        let after: Vec<Answer> = self
            .music
            .iter()
            .map(|clip| Answer { refused: refused(clip), ..answer(&scaling, clip) })
            .collect();
        let combinations = Combinations::compare(&after);
        let calibration = Calibration {
            temperature: scaling.temperature,
            bias: scaling.bias,
            combine: given.like.as_ref().map_or_else(|| combinations.better(), |like| like.combine),
            rejection: best.map(|Candidate { scorer, threshold, .. }| Rejection {
                score: scorer.score(),
                threshold: *threshold,
            }),
            least_confidence: given
                .least_confidence
                .or(given.like.as_ref().and_then(|like| like.least_confidence))
                .or(Some(LEAST_CONFIDENCE)),
        };
        Chosen { calibration, scalings, combinations, candidates, before, after }
    }
}

impl Chosen {
    /// What refuses, with the statistics that it was fitted to.
    pub fn scorer(&self) -> Option<&Scorer> {
        self.candidates.first().map(|candidate| &candidate.scorer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::card::{Combine, RejectionScore};

    /// Two genres, told apart by their first two logits; what is no music has low ones.
    fn clips(tracks: usize, loud: f32) -> Vec<Observation> {
        let clip = |at: usize| {
            let (genre, track) = (at / 4 % 2, at / 4);
            let own = loud * (1.0 + 0.1 * (at % 7) as f32);
            let logits = if genre == 0 { vec![own, 0.0] } else { vec![0.0, own] };
            Observation { logits, genre, track, ..Observation::default() }
        };
        (0..4 * tracks).map(clip).collect()
    }

    #[test]
    fn what_is_given_is_taken_and_the_rest_chosen() {
        let (music, others) = (clips(20, 4.0), clips(10, 0.1));
        let heard = Heard { music: &music, overheard: &[], others: &others, groups: None, classes: 2 };
        let chosen = heard.choose(&Given { most_refused: 0.05, ..Given::default() });
        assert_eq!(chosen.calibration.least_confidence, Some(LEAST_CONFIDENCE));
        assert_eq!(chosen.candidates[0].auroc, 1.0, "{:?}", chosen.candidates);
        let rejection = chosen.calibration.rejection.unwrap();
        assert_eq!(Some(rejection.score), chosen.scorer().map(Scorer::score));
        assert!(chosen.after.iter().all(|answer| !answer.refused));
        assert_eq!((chosen.before.len(), chosen.after.len()), (music.len(), music.len()));

        let like = Calibration {
            temperature: 3.0,
            bias: vec![0.5, -0.5],
            combine: Combine::LogPool { correlation: 0.25 },
            rejection: Some(Rejection { score: RejectionScore::MaxLogit, threshold: 1e3 }),
            least_confidence: Some(0.7),
        };
        let given = Given { like: Some(like.clone()), ..Given::default() };
        let chosen = heard.choose(&given);
        assert_eq!(chosen.calibration, like);
        assert!(chosen.after.iter().all(|answer| answer.refused), "all are below such a threshold");
        let said = Given { least_confidence: Some(0.2), ..given };
        assert_eq!(heard.choose(&said).calibration.least_confidence, Some(0.2));
    }

    #[test]
    fn without_what_is_not_music_nothing_is_refused() {
        let music = clips(20, 4.0);
        let heard = Heard { music: &music, overheard: &music, others: &[], groups: None, classes: 2 };
        let chosen = heard.choose(&Given::default());
        assert_eq!((chosen.calibration.rejection, chosen.scorer()), (None, None));
    }

    #[test]
    fn an_artist_s_tracks_are_on_one_side() {
        let music = clips(20, 4.0);
        let heard = Heard { music: &music, overheard: &[], others: &[], groups: None, classes: 2 };
        let tracks: Vec<usize> = (0..20).collect();
        let apart = |groups: &[usize]| heard_with(&heard, groups).choose(&Given::default()).scalings;
        // Where all tracks are one artist's, nothing is left to fit on.
        assert_eq!(apart(&tracks), heard.choose(&Given::default()).scalings);
        assert_ne!(apart(&[0; 20]), apart(&tracks));
    }

    fn heard_with<'a>(heard: &Heard<'a>, groups: &'a [usize]) -> Heard<'a> {
        Heard { groups: Some(groups), ..*heard }
    }
}
