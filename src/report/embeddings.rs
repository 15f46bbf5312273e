//! What a network made of the test clips, kept for the map of them.
//!
//! In: embeddings and genres. Out: `embeddings.safetensors` in the run's folder,
//! and back: `embedding` f32 `[clips, length]`, `genre` and `track` i32 `[clips]`,
//! clips in the split's order; metadata `genres`, a JSON list of names.

use std::collections::HashMap;

use safetensors::{Dtype, SafeTensors};

use crate::network::weights::Bytes;

/// Why there are no embeddings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmbeddingsError {
    /// Not a safetensors file of this kind.
    #[error("the embeddings cannot be read: {0}")]
    Unreadable(String),
    /// Its parts do not fit each other.
    #[error("the embeddings contradict themselves: {0}")]
    Contradiction(&'static str),
}

/// Embeddings of clips.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// Names of the genres.
    pub genres: Vec<String>,
    /// One after the other, each [`Self::length`] values.
    pub values: Vec<f32>,
    /// Values of a clip.
    pub length: usize,
    /// Index of each clip's genre.
    pub genre: Vec<usize>,
    /// Which track each clip is of.
    pub track: Vec<usize>,
}

impl Embeddings {
    /// The file's bytes.
    ///
    /// # Errors
    /// [`EmbeddingsError::Unreadable`] where safetensors cannot hold them.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EmbeddingsError> {
        let unreadable = |error: String| EmbeddingsError::Unreadable(error);
        let integers = |values: &[usize]| Bytes {
            dtype: Dtype::I32,
            shape: vec![values.len()],
            bytes: values.iter().flat_map(|&value| (value as i32).to_le_bytes()).collect(),
        };
        let embedding = Bytes {
            dtype: Dtype::F32,
            shape: vec![self.genre.len(), self.length],
            bytes: self.values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        };
        let tensors =
            [("embedding", embedding), ("genre", integers(&self.genre)), ("track", integers(&self.track))];
        let genres = serde_json::to_string(&self.genres).map_err(|error| unreadable(error.to_string()))?;
        let metadata = HashMap::from([("genres".to_owned(), genres)]);
        safetensors::serialize(tensors, Some(metadata)).map_err(|error| unreadable(error.to_string()))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`EmbeddingsError`] with the first thing that is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EmbeddingsError> {
        let unreadable = |error: String| EmbeddingsError::Unreadable(error);
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| unreadable(error.to_string()))?;
        let genres = header.metadata().as_ref().and_then(|entries| entries.get("genres"));
        let genres: Vec<String> = genres
            .and_then(|json| serde_json::from_str(json).ok())
            .ok_or_else(|| unreadable("its `genres` are missing".into()))?;
        let file = SafeTensors::deserialize(bytes).map_err(|error| unreadable(error.to_string()))?;
        let tensor = |name: &str, dtype: Dtype| {
            let tensor = file.tensor(name).map_err(|error| unreadable(error.to_string()))?;
            if tensor.dtype() != dtype {
                return Err(unreadable(format!("`{name}` has the type {:?}", tensor.dtype())));
            }
            Ok(tensor)
        };
        let integers = |name: &str| -> Result<Vec<usize>, EmbeddingsError> {
            let cells = tensor(name, Dtype::I32)?;
            let cells = cells.data().as_chunks().0.iter();
            cells
                .map(|&bytes| usize::try_from(i32::from_le_bytes(bytes)))
                .collect::<Result<_, _>>()
                .map_err(|_| EmbeddingsError::Contradiction("an index is negative"))
        };
        let (genre, track) = (integers("genre")?, integers("track")?);
        let embedding = tensor("embedding", Dtype::F32)?;
        let &[clips, length] = embedding.shape() else {
            return Err(EmbeddingsError::Contradiction("they are no matrix"));
        };
        if clips != genre.len() || clips != track.len() || length == 0 {
            return Err(EmbeddingsError::Contradiction("not every clip has its embedding"));
        }
        if genre.iter().any(|genre| *genre >= genres.len()) {
            return Err(EmbeddingsError::Contradiction("a clip is of no genre"));
        }
        let values: Vec<f32> =
            embedding.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(EmbeddingsError::Contradiction("a value is not finite"));
        }
        Ok(Self { genres, values, length, genre, track })
    }

    /// Clips there are.
    pub fn clips(&self) -> usize {
        self.genre.len()
    }

    /// As many clips as are asked for: the first, where the split has drawn its
    /// clips at random; evenly spaced ones where they stand in the archive's order,
    /// of which the first would be of a genre or two.
    #[must_use]
    pub fn some(&self, count: usize) -> Self {
        let chosen = self.choice(count);
        let values = chosen.iter().flat_map(|at| &self.values[at * self.length..][..self.length]);
        Self {
            genres: self.genres.clone(),
            values: values.copied().collect(),
            length: self.length,
            genre: chosen.iter().map(|&at| self.genre[at]).collect(),
            track: chosen.iter().map(|&at| self.track[at]).collect(),
        }
    }

    /// Which clips [`some`](Self::some) takes.
    pub fn choice(&self, count: usize) -> Vec<usize> {
        let clips = self.clips();
        let spaced = self.track.is_sorted();
        match count {
            count if count >= clips => (0..clips).collect(),
            count if spaced => (0..count).map(|at| at * clips / count).collect(),
            count => (0..count).collect(),
        }
    }
}
