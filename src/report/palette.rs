//! The colours of the genres, on the page and in the figures.
//!
//! In: a genre's place in the card. Out: a colour that can be told from the
//! others also without red, green or blue cones, for a light and a dark ground.
//!
//! The colours were searched for: largest smallest distance (Oklab) of any two
//! as seen by normal, protanopic, deuteranopic and tritanopic eyes (Machado et
//! al. 2009), with at least 3:1 against the page (WCAG 2.2, 1.4.11) and a chroma
//! that keeps it calm.

/// An sRGB colour.
pub type Rgb = [u8; 3];

/// Colours there are; a model with more genres starts over.
pub const COUNT: usize = 10;

/// On a light ground, in the order of GTZAN: blues, classical, country, disco,
/// hiphop, jazz, metal, pop, reggae, rock.
const LIGHT: [Rgb; COUNT] = [
    [0x3d, 0x8c, 0xe0],
    [0x72, 0x5e, 0x16],
    [0xcd, 0x6c, 0x1e],
    [0xa4, 0x3d, 0x72],
    [0x58, 0x22, 0x76],
    [0x53, 0x55, 0xb5],
    [0x01, 0x2a, 0x43],
    [0x85, 0x88, 0x89],
    [0x00, 0x4f, 0x2b],
    [0x4d, 0x0e, 0x0d],
];

/// On a dark ground, in the same order.
const DARK: [Rgb; COUNT] = [
    [0x2d, 0xc7, 0xf6],
    [0xe8, 0xeb, 0x8f],
    [0xfd, 0xaf, 0xa5],
    [0xd1, 0x78, 0xa1],
    [0x70, 0x8b, 0xe5],
    [0x85, 0x89, 0x3e],
    [0x18, 0x6e, 0x9e],
    [0x46, 0xff, 0xf1],
    [0xab, 0xbd, 0x47],
    [0x90, 0x58, 0x60],
];

/// Colour of the genre at `index`.
pub fn genre(index: usize, dark: bool) -> Rgb {
    if dark { DARK[index % COUNT] } else { LIGHT[index % COUNT] }
}

/// Black or white, whichever reads better on `ground`: at least 4.5:1.
pub fn ink(ground: Rgb) -> Rgb {
    const BLACK: Rgb = [0; 3];
    const WHITE: Rgb = [255; 3];
    if contrast(ground, BLACK) >= contrast(ground, WHITE) { BLACK } else { WHITE }
}

/// A colour as CSS writes it.
pub fn css(rgb: Rgb) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digits = rgb.iter().flat_map(|&value| [value >> 4, value & 15]);
    std::iter::once('#').chain(digits.map(|digit| char::from(DIGITS[usize::from(digit)]))).collect()
}

/// Relative luminance (WCAG 2.2).
fn luminance(rgb: Rgb) -> f32 {
    let linear = |value: u8| {
        let value = f32::from(value) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2])
}

/// Contrast ratio (WCAG 2.2), 1 to 21.
pub fn contrast(a: Rgb, b: Rgb) -> f32 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_can_be_read_on_their_genre() {
        for colour in LIGHT.into_iter().chain(DARK) {
            assert!(contrast(colour, ink(colour)) >= 4.5);
        }
    }

    /// Oklab (Ottosson 2020) of a colour seen through `eyes`, a matrix on
    /// linear sRGB (Machado et al. 2009, severity 1).
    fn seen(rgb: Rgb, eyes: &[[f32; 3]; 3]) -> [f32; 3] {
        let linear = rgb.map(|value| {
            let value = f32::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        });
        let times = |matrix: &[[f32; 3]; 3], v: [f32; 3]| {
            matrix.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
        };
        let cones = times(
            &[
                [0.412_221_46, 0.536_332_55, 0.051_445_995],
                [0.211_903_5, 0.680_699_5, 0.107_396_96],
                [0.088_302_46, 0.281_718_85, 0.629_978_7],
            ],
            times(eyes, linear).map(|value| value.clamp(0.0, 1.0)),
        );
        times(
            &[
                [0.210_454_26, 0.793_617_8, -0.004_072_047],
                [1.977_998_5, -2.428_592_2, 0.450_593_7],
                [0.025_904_037, 0.782_771_77, -0.808_675_77],
            ],
            cones.map(f32::cbrt),
        )
    }

    #[test]
    fn any_two_genres_can_be_told_apart_by_any_eyes() {
        const EYES: [[[f32; 3]; 3]; 4] = [
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
            [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ],
            [
                [1.255528, -0.076749, -0.178779],
                [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.303900],
            ],
        ];
        for eyes in &EYES {
            for palette in [LIGHT, DARK] {
                for (index, &one) in palette.iter().enumerate() {
                    for &other in &palette[index + 1..] {
                        let (a, b) = (seen(one, eyes), seen(other, eyes));
                        let distance = (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f32>().sqrt();
                        assert!(distance >= 0.085, "{one:?} and {other:?}: {distance}");
                    }
                }
            }
        }
    }

    #[test]
    fn css_writes_six_digits() {
        assert_eq!(css([1, 171, 255]), "#01abff");
    }
}
