//! A `File` as a stream of bytes.
//!
//! In: the browser's `File`. Out: [`FileSource`], which symphonia reads. Blocks
//! of about 1 MiB are fetched when they are needed and forgotten when another
//! is, so that a file is never in memory as a whole.

use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};

use js_sys::Uint8Array;
use send_wrapper::SendWrapper;
use web_sys::{File, FileReaderSync};

use crate::sound::MediaSource;

/// Bytes fetched at once.
const BLOCK: usize = 1 << 20;

/// Reads a file of the page. Only in a worker: it waits for the disk.
pub(super) struct FileSource {
    file: SendWrapper<File>,
    reader: SendWrapper<FileReaderSync>,
    length: u64,
    position: u64,
    block: Vec<u8>,
    block_start: u64,
}

impl FileSource {
    /// A source at the start of the file.
    ///
    /// # Errors
    /// What the browser says where it reads no files.
    pub(super) fn new(file: File) -> Result<Self> {
        let reader = FileReaderSync::new().map_err(|_| Error::from(ErrorKind::Unsupported))?;
        let length = file.size() as u64;
        let (file, reader) = (SendWrapper::new(file), SendWrapper::new(reader));
        Ok(Self { file, reader, length, position: 0, block: Vec::new(), block_start: 0 })
    }

    fn fetch(&mut self) -> Result<()> {
        // From a block's boundary, so that small jumps back (as MP4 makes
        // between its tables and its packets) find what is there.
        let start = self.position / BLOCK as u64 * BLOCK as u64;
        let end = (start + BLOCK as u64).min(self.length);
        let gone = |error: wasm_bindgen::JsValue| {
            let name = js_sys::Reflect::get(&error, &"message".into()).ok().and_then(|name| name.as_string());
            Error::new(ErrorKind::NotFound, name.unwrap_or_else(|| "it is gone".to_owned()))
        };
        let slice = self.file.slice_with_f64_and_f64(start as f64, end as f64).map_err(gone)?;
        let bytes = Uint8Array::new(&self.reader.read_as_array_buffer(&slice).map_err(gone)?.into());
        self.block.resize(bytes.length() as usize, 0);
        bytes.copy_to(&mut self.block);
        self.block_start = start;
        Ok(())
    }
}

impl Read for FileSource {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.position >= self.length || buffer.is_empty() {
            return Ok(0);
        }
        let block = self.block_start..self.block_start + self.block.len() as u64;
        if !block.contains(&self.position) {
            self.fetch()?;
        }
        let offset = (self.position - self.block_start) as usize;
        let there = self.block.get(offset..).unwrap_or_default();
        let count = there.len().min(buffer.len());
        buffer[..count].copy_from_slice(&there[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for FileSource {
    fn seek(&mut self, target: SeekFrom) -> Result<u64> {
        let position = match target {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(Error::from(ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

impl MediaSource for FileSource {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length)
    }
}
