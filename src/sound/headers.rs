//! What the outermost structure of a file says of itself, where symphonia's
//! readers need help.
//!
//! In: the bytes of a file. Out: lengths that are not those of the file, to be
//! read corrected; whether the file was cut off; and the tags of a WAV, which
//! symphonia 0.6.1 reads and forgets.
//!
//! References: Microsoft and IBM, *Multimedia Programming Interface and Data
//! Specifications 1.0* (1991), "Resource Interchange File Format"; Apple,
//! *Audio Interchange File Format 1.3* (1989); EBU Tech 3306 (RF64); ISO/IEC
//! 14496-12:2015, 4.2; RFC 3533 (Ogg); RFC 8794 (EBML) and 9559 (Matroska).

use std::io::{self, Read, SeekFrom};

use symphonia::core::io::MediaSource;

use super::au;

/// Chunks, boxes or elements that are looked at.
const MOST_CHUNKS: usize = 256;

/// Bytes of a chunk of tags that are read.
const LONGEST_LIST: u32 = 64 * 1024;

/// Bytes of the head of an Ogg's page, the last of which is how many lengths follow.
const PAGE_HEAD: usize = 27;

/// What elements of Matroska are called: all there is, where its parts are, and sound.
const SEGMENT: u64 = 0x1853_8067;
const SEEK_HEAD: u64 = 0x114d_9b74;
const CLUSTER: u64 = 0x1f43_b675;

/// Elements that a Matroska may end with: blocks, what is around them, where they are, tags and
/// empty space.
const LAST_ELEMENTS: [&[u8]; 6] =
    [b"\xa3", b"\xa0", b"\x1f\x43\xb6\x75", b"\x1c\x53\xbb\x6b", b"\x12\x54\xc3\x67", b"\xec"];

/// The name of no element.
const NO_ELEMENT: [u8; 4] = [0x11, 0x4d, 0x9b, 0x75];

/// Four bytes that are to be read as others than the file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Correction {
    /// Where they stand.
    pub(super) position: u64,
    /// What they should be.
    pub(super) bytes: [u8; 4],
}

/// What was found in the headers of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Headers {
    /// Lengths to be read as others.
    pub(super) corrections: Vec<Correction>,
    /// Whether the sound should go on behind the end of the file.
    pub(super) is_cut: bool,
    /// Whether nothing but the end of the file says where the sound ends, and it does not end
    /// within a piece of it.
    pub(super) has_open_end: bool,
    /// Whether it is an MP4 in fragments, whose index is of the first of them at most.
    pub(super) is_fragmented: bool,
    /// Whether it is an Ogg of Speex: symphonia looks for its header to the end of the file.
    pub(super) is_speex: bool,
    /// Whether the page with which an Ogg ends is there: symphonia does not find it behind one
    /// that is damaged.
    pub(super) has_last_page: bool,
    /// Tags of a WAV: name of the chunk (`INAM`, ...) and text.
    pub(super) labels: Vec<([u8; 4], String)>,
}

impl Headers {
    /// Reads the headers of a file of `length` bytes.
    ///
    /// # Errors
    /// What the source gives, but not the end of the file.
    pub(super) fn read(source: &mut dyn MediaSource, length: u64) -> io::Result<Self> {
        let mut headers = Self::default();
        match read_array(source, 0)? {
            Some([b'R', b'I', b'F', b'F', a, b, c, d, b'W', b'A', b'V', b'E']) => {
                let is_right = u64::from(u32::from_le_bytes([a, b, c, d])) == length - 8;
                if !is_right {
                    // To symphonia this says "as long as the file".
                    headers.correct(4, u32::MAX.to_le_bytes());
                }
                headers.read_wav(source, length, is_right)?;
            }
            // A WAV whose lengths may be greater than its fields.
            Some(
                [b'R', b'F', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E']
                | [b'B', b'W', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E'],
            ) => {
                headers.correct(0, *b"RIFF");
                headers.correct(4, u32::MAX.to_le_bytes());
                headers.read_wav(source, length, false)?;
            }
            Some([b'F', b'O', b'R', b'M', a, b, c, d, b'A', b'I', b'F', b'F' | b'C']) => {
                let end = 8 + u64::from(u32::from_be_bytes([a, b, c, d]));
                let end_of_sound = headers.read_aiff(source, length)?;
                // What lies behind the right end, as tags of an MP3 do, is no chunk.
                if end > length || end_of_sound > end {
                    headers.correct(4, saturated(length - 8).to_be_bytes());
                }
            }
            Some([b'O', b'g', b'g', b'S', ..]) => {
                headers.has_last_page = has_last_page(source, length)?;
                headers.is_speex = is_speex(source)?;
            }
            Some([0x1a, 0x45, 0xdf, 0xa3, ..]) => headers.read_matroska(source, length)?,
            Some([_, _, _, _, b'f', b't', b'y', b'p', ..]) => headers.read_mp4(source, length)?,
            Some([m, a, g, i, b, c, d, e, w, x, y, z]) if [m, a, g, i] == au::MAGIC => {
                let (start, samples) = (u32::from_be_bytes([b, c, d, e]), u32::from_be_bytes([w, x, y, z]));
                let end = u64::from(start) + u64::from(samples);
                headers.is_cut = samples != au::UNKNOWN_LENGTH && end > length;
            }
            _ => {}
        }
        Ok(headers)
    }

    fn correct(&mut self, position: u64, bytes: [u8; 4]) {
        self.corrections.push(Correction { position, bytes });
    }

    /// A recorder that was interrupted, or that wrote to a pipe, leaves 0 or
    /// 0xFFFFFFFF for the length of the samples, which end where the file does. So they do
    /// where they would go on behind a file whose own length is right (`is_right`). Where it is
    /// not, a length greater than the file stays: it tells how much is missing. Any
    /// other stays where the file's own is right: no recorder was interrupted.
    ///
    /// RF64 says 0xFFFFFFFF too, and has the length in a chunk of its own.
    ///
    /// Lists before the samples are hidden from symphonia, which refuses a file for one that
    /// is not padded as it should be, and so is a `fact` that is longer than it knows.
    fn read_wav(&mut self, source: &mut dyn MediaSource, length: u64, is_right: bool) -> io::Result<()> {
        let mut position = 12;
        let mut before_samples = true;
        let mut long_length: Option<u64> = None;
        for _ in 0..MOST_CHUNKS {
            let Some(chunk) = Chunk::read(source, position, u32::from_le_bytes)? else { break };
            if &chunk.name == b"data" {
                before_samples = false;
                let is_wrong =
                    if is_right { chunk.end() > length } else { chunk.ends_too_early(source, length)? };
                if chunk.is_unfinished() || is_wrong {
                    let rest = length - chunk.start;
                    let declared = long_length.filter(|_| chunk.length == u32::MAX);
                    self.is_cut = declared.is_some_and(|declared| declared > rest);
                    let samples = saturated(declared.unwrap_or(rest).min(rest));
                    self.correct(position + 4, samples.to_le_bytes());
                    // To symphonia this says "to the end of the file", and that it looks for.
                    self.has_open_end = samples == u32::MAX;
                    break;
                }
                self.is_cut = chunk.end() > length;
            } else if &chunk.name == b"LIST" {
                if chunk.length <= LONGEST_LIST {
                    self.read_list(source, &chunk)?;
                }
                if before_samples {
                    self.correct(position, *b"JUNK");
                }
            } else if &chunk.name == b"fact" && chunk.length != 4 && before_samples {
                self.correct(position, *b"JUNK");
            } else if &chunk.name == b"ds64" {
                // Behind the length of the file.
                let samples = read_array::<8>(source, chunk.start + 8)?.map(u64::from_le_bytes);
                long_length = samples.filter(|&samples| samples > 0);
            }
            position = chunk.next();
        }
        Ok(())
    }

    fn read_list(&mut self, source: &mut dyn MediaSource, list: &Chunk) -> io::Result<()> {
        if read_array(source, list.start)? != Some(*b"INFO") {
            return Ok(());
        }
        let mut position = list.start + 4;
        while position < list.end() && self.labels.len() < MOST_CHUNKS {
            let Some(chunk) = Chunk::read(source, position, u32::from_le_bytes)? else { break };
            if chunk.end() > list.end() {
                break;
            }
            let mut bytes = Vec::new();
            source.seek(SeekFrom::Start(chunk.start))?;
            source.take(u64::from(chunk.length)).read_to_end(&mut bytes)?;
            self.labels.push((chunk.name, text(&bytes)));
            position = chunk.next();
        }
        Ok(())
    }

    /// symphonia goes over the samples to what comes behind, and refuses a file
    /// that has nothing there. Gives where the samples end; 0 where there are none.
    fn read_aiff(&mut self, source: &mut dyn MediaSource, length: u64) -> io::Result<u64> {
        let mut position = 12;
        for _ in 0..MOST_CHUNKS {
            let Some(chunk) = Chunk::read(source, position, u32::from_be_bytes)? else { break };
            if &chunk.name == b"SSND" {
                self.is_cut = chunk.end() > length;
                if self.is_cut {
                    self.correct(position + 4, saturated(length - chunk.start).to_be_bytes());
                }
                return Ok(chunk.end().min(length));
            }
            position = chunk.next();
        }
        Ok(0)
    }

    /// symphonia passes over a box that is longer than the file, and then has
    /// none to read from.
    fn read_mp4(&mut self, source: &mut dyn MediaSource, length: u64) -> io::Result<()> {
        let mut position = 0;
        for _ in 0..MOST_CHUNKS {
            let Some([a, b, c, d, name @ ..]) = read_array::<8>(source, position)? else { break };
            let (size, is_long) = match u32::from_be_bytes([a, b, c, d]) {
                0 => break,
                1 => match read_array(source, position + 8)? {
                    Some(size) => (u64::from_be_bytes(size), true),
                    None => break,
                },
                size => (u64::from(size), false),
            };
            let rest = length - position;
            if size > rest && &name == b"mdat" {
                self.is_cut = true;
                if is_long {
                    self.correct(position + 8, ((rest >> 32) as u32).to_be_bytes());
                    self.correct(position + 12, (rest as u32).to_be_bytes());
                } else {
                    self.correct(position, saturated(rest).to_be_bytes());
                }
            }
            if &name == b"moov" {
                let content = position + if is_long { 16 } else { 8 };
                self.is_fragmented = has_box(source, *b"mvex", content, position + size.min(rest))?;
            }
            // Where samples begin, there is no header any more that matters.
            if matches!(&name, b"mdat" | b"moof") || size < 8 || size > rest {
                break;
            }
            position += size;
        }
        Ok(())
    }

    /// symphonia passes over a segment that is longer than the file, and refuses the file for a
    /// part of which the segment says that it is behind the cut. It reads on to the end where the
    /// length is unknown, and finds the parts before the sound by itself.
    fn read_matroska(&mut self, source: &mut dyn MediaSource, length: u64) -> io::Result<()> {
        let head = Element::read(source, 0)?;
        let Some(start) = head.and_then(|head| head.end()).filter(|&end| end < length) else {
            return Ok(());
        };
        let Some(segment) = Element::read(source, start)?.filter(|segment| segment.name == SEGMENT) else {
            return Ok(());
        };
        let Some(end) = segment.end() else {
            self.has_open_end = ends_with_element(source, length)?;
            return Ok(());
        };
        if end <= length {
            return Ok(());
        }
        self.is_cut = true;
        // The name, and the unknown length in as many bytes as are there, by four bytes at a time.
        let [.., s, e, g, m] = SEGMENT.to_be_bytes();
        let first = 0xff_u8 >> (segment.length_width - 1);
        let unknown = [s, e, g, m, first, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        for place in [segment.length_width.min(4), segment.length_width] {
            if let Some(&bytes) = unknown[place..].first_chunk::<4>() {
                self.correct(start + place as u64, bytes);
            }
        }
        let mut position = segment.start;
        for _ in 0..MOST_CHUNKS {
            let Some(element) = Element::read(source, position)? else { break };
            if element.name == SEEK_HEAD {
                self.correct(position, NO_ELEMENT);
            }
            match element.end() {
                Some(end) if element.name != CLUSTER && end < length => position = end,
                _ => break,
            }
        }
        Ok(())
    }
}

/// A chunk of RIFF (little-endian) or AIFF (big-endian).
struct Chunk {
    name: [u8; 4],
    /// Where its content begins.
    start: u64,
    length: u32,
}

impl Chunk {
    fn read(
        source: &mut dyn MediaSource,
        position: u64,
        number: fn([u8; 4]) -> u32,
    ) -> io::Result<Option<Self>> {
        let bytes: Option<[u8; 8]> = read_array(source, position)?;
        Ok(bytes.map(|[n, a, m, e, w, x, y, z]| Self {
            name: [n, a, m, e],
            start: position + 8,
            length: number([w, x, y, z]),
        }))
    }

    fn end(&self) -> u64 {
        self.start + u64::from(self.length)
    }

    /// Where the next chunk begins: they are padded to an even length.
    fn next(&self) -> u64 {
        self.end() + u64::from(self.length & 1)
    }

    /// Whether its length was to be filled in at the end.
    fn is_unfinished(&self) -> bool {
        self.length == 0 || self.length == u32::MAX
    }

    /// Whether this one of a WAV ends where neither the file (of `length` bytes) ends
    /// nor another chunk begins, padded or not.
    fn ends_too_early(&self, source: &mut dyn MediaSource, length: u64) -> io::Result<bool> {
        if self.end() >= length {
            return Ok(false);
        }
        for place in [self.next(), self.end()] {
            let Some(next) = Self::read(source, place, u32::from_le_bytes)? else { return Ok(false) };
            if next.name.iter().all(|byte| (b' '..=b'~').contains(byte)) && next.end() <= length {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// An element of Matroska.
struct Element {
    /// With the bits that say how many bytes it has.
    name: u64,
    /// Bytes of its length, 1 to 8.
    length_width: usize,
    /// Where its content begins.
    start: u64,
    /// `None` where it was not known when the element was begun.
    length: Option<u64>,
}

impl Element {
    fn read(source: &mut dyn MediaSource, position: u64) -> io::Result<Option<Self>> {
        // As many as the name and the length can have.
        let bytes: Option<[u8; 12]> = read_array(source, position)?;
        Ok(bytes.and_then(|bytes| {
            let (name_width, name) = number(&bytes)?;
            let (length_width, length) = number(&bytes[name_width..])?;
            let greatest = (1_u64 << (7 * length_width)) - 1;
            let start = position + (name_width + length_width) as u64;
            let length = Some(length & greatest).filter(|&length| length != greatest);
            Some(Self { name, length_width, start, length })
        }))
    }

    fn end(&self) -> Option<u64> {
        self.length.map(|length| self.start.saturating_add(length))
    }
}

/// The number of EBML at the beginning of `bytes`, with the bit that ends its width, behind that
/// width in bytes.
fn number(bytes: &[u8]) -> Option<(usize, u64)> {
    let width = bytes.first()?.leading_zeros() as usize + 1;
    let digits = bytes.get(..width).filter(|_| width <= 8)?;
    Some((width, digits.iter().fold(0_u64, |number, &digit| number << 8 | u64::from(digit))))
}

/// Whether one of the boxes of an MP4 from `position` to `end` has that name.
fn has_box(source: &mut dyn MediaSource, name: [u8; 4], mut position: u64, end: u64) -> io::Result<bool> {
    for _ in 0..MOST_CHUNKS {
        let Some([a, b, c, d, found @ ..]) = read_array::<8>(source, position)? else { break };
        let size = u64::from(u32::from_be_bytes([a, b, c, d]));
        if size < 8 || size > end.saturating_sub(position) {
            break;
        }
        if found == name {
            return Ok(true);
        }
        position += size;
    }
    Ok(false)
}

/// Whether a Matroska of `length` bytes ends where an element does, as one that was recorded
/// without a length does and one that breaks off does not.
fn ends_with_element(source: &mut dyn MediaSource, length: u64) -> io::Result<bool> {
    // More than a picture takes.
    const TAIL: u64 = 1 << 20;
    source.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    source.take(TAIL).read_to_end(&mut bytes)?;
    let is_last = |content: &[u8]| {
        number(content).is_some_and(|(width, length)| {
            let length = length & ((1 << (7 * width)) - 1);
            length == (content.len() - width) as u64
        })
    };
    let behind_name = |name: &&[u8], at: usize| bytes.get(at..)?.strip_prefix(*name);
    Ok((0..bytes.len())
        .rev()
        .any(|at| LAST_ELEMENTS.iter().filter_map(|name| behind_name(name, at)).any(is_last)))
}

/// Whether the first packet of an Ogg is the header of Speex.
fn is_speex(source: &mut dyn MediaSource) -> io::Result<bool> {
    let Some([segments]) = read_array::<1>(source, PAGE_HEAD as u64 - 1)? else { return Ok(false) };
    Ok(read_array(source, PAGE_HEAD as u64 + u64::from(segments))? == Some(*b"Speex   "))
}

/// Whether an Ogg of `length` bytes ends with a whole page that says it is the last of its
/// stream (RFC 3533, section 6).
fn has_last_page(source: &mut dyn MediaSource, length: u64) -> io::Result<bool> {
    const LONGEST_PAGE: u64 = 65_307;
    const IS_LAST: u8 = 4;
    source.seek(SeekFrom::Start(length.saturating_sub(LONGEST_PAGE)))?;
    let mut bytes = Vec::new();
    source.take(LONGEST_PAGE).read_to_end(&mut bytes)?;
    // Those letters may stand within a page, too.
    let mut pages =
        (0..bytes.len()).rev().filter_map(|at| bytes.get(at..)?.strip_prefix(b"OggS").map(|_| &bytes[at..]));
    Ok(pages.any(|page| {
        let (Some(&flags), Some(&segments)) = (page.get(5), page.get(PAGE_HEAD - 1)) else { return false };
        let Some(lengths) = page.get(PAGE_HEAD..PAGE_HEAD + usize::from(segments)) else { return false };
        let body: usize = lengths.iter().map(|&length| usize::from(length)).sum();
        flags & IS_LAST != 0 && PAGE_HEAD + lengths.len() + body == page.len()
    }))
}

fn saturated(length: u64) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A text that ends at its first zero, in UTF-8 or else in Latin-1.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

/// Reads `N` bytes, or `None` where the file ends before.
fn read_array<const N: usize>(source: &mut dyn MediaSource, position: u64) -> io::Result<Option<[u8; N]>> {
    source.seek(SeekFrom::Start(position))?;
    let mut bytes = [0; N];
    match source.read_exact(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        outcome => outcome.map(|()| Some(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &[u8]) -> Headers {
        Headers::read(&mut io::Cursor::new(file), file.len() as u64).unwrap()
    }

    /// A 16-bit mono WAV with the lengths as given, 100 bytes of samples, and
    /// `tail`.
    fn wav(riff: u32, data: u32, tail: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF".to_vec();
        file.extend(riff.to_le_bytes());
        file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
        file.extend(data.to_le_bytes());
        file.extend(128..228);
        file.extend(tail);
        file
    }

    /// An AIFF that is all samples, 100 bytes of them.
    fn aiff(form: u32, sound: u32) -> Vec<u8> {
        let mut file = b"FORM".to_vec();
        file.extend(form.to_be_bytes());
        file.extend(b"AIFFSSND");
        file.extend(sound.to_be_bytes());
        file.extend([0; 100]);
        file
    }

    /// An RF64 that says that of its samples, and has 100 bytes of them.
    fn rf64(samples: u64) -> Vec<u8> {
        let mut file = wav(u32::MAX, u32::MAX, b"");
        let mut sizes = b"ds64\x1c\0\0\0".to_vec();
        sizes.extend([0; 8]);
        sizes.extend(samples.to_le_bytes());
        sizes.extend([0; 12]);
        file.splice(12..12, sizes);
        file[..4].copy_from_slice(b"RF64");
        file
    }

    /// A Matroska whose segment has 29 bytes and says of them what `length` does.
    fn matroska(length: &[u8]) -> Vec<u8> {
        let mut file = b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67".to_vec();
        file.extend(length);
        // An empty space, where the parts are, and sound.
        file.extend(b"\xec\x81\0\x11\x4d\x9b\x74\x84ABCD\x1f\x43\xb6\x75\x8cabcdefghijkl");
        file
    }

    #[test]
    fn right_lengths_stay() {
        let list = b"LIST\x04\0\0\0INFO";
        let mp4 = b"\0\0\0\x08ftyp\0\0\0\x09mdat!".to_vec();
        let wavs = [wav(136, 100, b""), wav(148, 100, list)];
        let others = [aiff(112, 100), mp4, matroska(b"\x9d"), b"RIFX".to_vec(), vec![]];
        for file in wavs.into_iter().chain(others) {
            assert_eq!(read(&file), Headers::default());
        }
    }

    #[test]
    fn lengths_of_an_unfinished_recording_are_those_of_the_file() {
        let whole = [
            Correction { position: 4, bytes: u32::MAX.to_le_bytes() },
            Correction { position: 40, bytes: 100_u32.to_le_bytes() },
        ];
        for (riff, data) in [(0, 0), (u32::MAX, u32::MAX), (66, 30)] {
            let headers = read(&wav(riff, data, b""));
            assert_eq!((&headers.corrections[..], headers.is_cut), (&whole[..], false), "{data}");
        }
    }

    #[test]
    fn what_follows_the_samples_is_none_of_them() {
        // Neither padded as it has to be nor a chunk at all: the file's own length is right.
        for (data, tail) in [(99, &b"id3 \x04\0\0\0tags"[..]), (98, b"\0\0\0\0\0\0\0\0\0\0")] {
            let headers = read(&wav(136 + tail.len() as u32, data, tail));
            assert_eq!(headers, Headers::default(), "{data}");
        }
        // Where it is wrong, a chunk begins there all the same.
        let mut unpadded = wav(0, 99, b"");
        unpadded.truncate(44 + 99);
        unpadded.extend(b"id3 \x04\0\0\0tags");
        let corrections = [Correction { position: 4, bytes: u32::MAX.to_le_bytes() }];
        assert_eq!(read(&unpadded).corrections, corrections);
    }

    #[test]
    fn a_wav_longer_than_its_file_is_cut() {
        let headers = read(&wav(536, 500, b""));
        assert!(headers.is_cut);
        assert_eq!(headers.corrections, [Correction { position: 4, bytes: u32::MAX.to_le_bytes() }]);
    }

    #[test]
    fn an_aiff_longer_than_its_file_ends_with_it() {
        let headers = read(&aiff(600, 588));
        assert!(headers.is_cut);
        let lengths = [(16, 100_u32), (4, 112)];
        let corrections =
            lengths.map(|(position, length)| Correction { position, bytes: length.to_be_bytes() });
        assert_eq!(headers.corrections, corrections);
    }

    #[test]
    fn what_lies_behind_an_aiff_is_no_chunk_of_it() {
        let mut tagged = aiff(112, 100);
        tagged.extend(b"TAG and a title");
        assert_eq!(read(&tagged), Headers::default());
        // A length that was never filled in is still the file's.
        assert_eq!(
            read(&aiff(0, 100)).corrections,
            [Correction { position: 4, bytes: 112_u32.to_be_bytes() }]
        );
    }

    #[test]
    fn samples_that_a_whole_wav_has_not_are_none() {
        // Whoever wrote one number into both fields.
        let headers = read(&wav(136, 136, b""));
        assert_eq!(headers.corrections, [Correction { position: 40, bytes: 100_u32.to_le_bytes() }]);
        assert!(!headers.is_cut);
    }

    #[test]
    fn an_mp4_longer_than_its_file_ends_with_it() {
        let short = read(b"\0\0\0\x08ftyp\0\0\x01\0mdat____");
        assert_eq!(short.corrections, [Correction { position: 8, bytes: [0, 0, 0, 12] }]);
        let long = read(b"\0\0\0\x08ftyp\0\0\0\x01mdat\0\0\0\x09\0\0\0\0____");
        let corrections = [(16, [0; 4]), (20, [0, 0, 0, 20])];
        assert_eq!(long.corrections, corrections.map(|(position, bytes)| Correction { position, bytes }));
        assert!(short.is_cut && long.is_cut);
    }

    #[test]
    fn the_lengths_of_an_rf64_are_those_of_its_own_chunk() {
        let correct = |samples: u32| {
            [(0, *b"RIFF"), (4, [0xff; 4]), (76, samples.to_le_bytes())]
                .map(|(position, bytes)| Correction { position, bytes })
        };
        for (declared, heard, is_cut) in
            [(100, 100, false), (60, 60, false), (500, 100, true), (0, 100, false)]
        {
            let headers = read(&rf64(declared));
            assert_eq!(headers.corrections, correct(heard), "{declared}");
            assert_eq!((headers.is_cut, headers.has_open_end), (is_cut, false), "{declared}");
        }
        for (declared, is_cut) in [(4 << 30, false), (6 << 30, true)] {
            let headers = Headers::read(&mut io::Cursor::new(rf64(declared)), 5 << 30).unwrap();
            assert_eq!(headers.corrections, correct(u32::MAX));
            assert_eq!((headers.is_cut, headers.has_open_end), (is_cut, true));
        }
    }

    #[test]
    fn a_matroska_longer_than_its_file_is_of_unknown_length() {
        let correct = |corrections: [(u64, [u8; 4]); 3]| {
            corrections.map(|(position, bytes)| Correction { position, bytes })
        };
        let no_parts = |position| (position, [0x11, 0x4d, 0x9b, 0x75]);
        let long = read(&matroska(b"\x01\0\0\0\0\0\x10\0"));
        let all = [(9, [0x01, 0xff, 0xff, 0xff]), (13, [0xff; 4]), no_parts(20)];
        assert_eq!(long.corrections, correct(all));
        let short = read(&matroska(b"\x50\0"));
        let last = (7, [0x80, 0x67, 0x7f, 0xff]);
        assert_eq!(short.corrections, correct([last, last, no_parts(14)]));
        for headers in [long, short] {
            assert!(headers.is_cut && !headers.has_open_end);
        }
    }

    #[test]
    fn a_matroska_of_unknown_length_ends_with_its_file() {
        for length in [&b"\xff"[..], b"\x01\xff\xff\xff\xff\xff\xff\xff"] {
            assert_eq!(read(&matroska(length)), Headers { has_open_end: true, ..Headers::default() });
        }
    }

    #[test]
    fn tags_are_read_before_and_behind_the_samples() {
        let list = b"LIST\x1a\0\0\0INFOINAM\x03\0\0\0ab\0\0IART\x02\0\0\0c\xe9";
        let labels = [(*b"INAM", "ab".to_owned()), (*b"IART", "c\u{e9}".to_owned())];
        assert_eq!(read(&wav(136 + list.len() as u32, 100, list)).labels, labels);
        let mut before = wav(0, 0, b"");
        before.splice(12..12, list.iter().copied());
        let headers = read(&before);
        assert_eq!(headers.labels, labels);
        assert!(headers.corrections.contains(&Correction { position: 12, bytes: *b"JUNK" }));
    }
}
