//! The image as it came: base64 → bytes → header → pixels, each step checked before the next costs memory.
//!
//! Everything that is wrong here is the payload's fault and `invalid`.

use std::io::Cursor;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use warren_task::Failure;

/// The most that decoded pixels may take. A photo of 4032 × 3024 takes 35 MiB; with the payload, its base64 and the
/// code beside it that stays within the 64 MiB that a component has by default.
const MAX_DECODED_BYTES: u64 = 40 * 1024 * 1024;

/// A progressive JPEG is decoded over several passes, and until the last one its coefficients (two bytes for each
/// sample) are held beside the pixels (one byte).
const PROGRESSIVE_FACTOR: u64 = 3;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An image of a format that we know, not yet looked into.
pub(crate) struct Source {
    bytes: Vec<u8>,
    format: ImageFormat,
}

/// The pixels, and what has to be done to them to stand upright.
pub(crate) struct Decoded {
    pub(crate) image: DynamicImage,
    pub(crate) orientation: Orientation,
}

impl Source {
    /// Takes the text by value, to give its memory back before there are pixels.
    pub(crate) fn open(base64: String) -> Result<Self, Failure> {
        let bytes = BASE64
            .decode(base64)
            .map_err(|error| invalid(format_args!("expected base64, found something else: {error}")))?;
        match image::guess_format(&bytes) {
            Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => Ok(Self { bytes, format }),
            Ok(other) => Err(invalid(format_args!("expected PNG or JPEG, found {}", other.to_mime_type()))),
            Err(_) => Err(invalid("expected PNG or JPEG, found neither")),
        }
    }

    /// Decodes the image, if what its header declares fits.
    pub(crate) fn decode(self) -> Result<Decoded, Failure> {
        let mut limits = Limits::default();
        // Besides the pixels, which are checked below, this bounds what the header may carry: profiles and texts that
        // unpack to far more than they take.
        limits.max_alloc = Some(MAX_DECODED_BYTES);
        let mut reader = ImageReader::with_format(Cursor::new(&self.bytes), self.format);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(invalid)?;
        self.check_size(&decoder)?;
        let orientation = decoder.orientation().map_err(invalid)?;
        let image = DynamicImage::from_decoder(decoder).map_err(invalid)?;
        Ok(Decoded { image, orientation })
    }

    fn check_size(&self, decoder: &impl ImageDecoder) -> Result<(), Failure> {
        let progressive = self.format == ImageFormat::Jpeg && is_progressive(&self.bytes);
        let factor = if progressive { PROGRESSIVE_FACTOR } else { 1 };
        let needed_bytes = decoder.total_bytes().saturating_mul(factor);
        if needed_bytes <= MAX_DECODED_BYTES {
            return Ok(());
        }
        let (width, height) = decoder.dimensions();
        Err(invalid(format_args!(
            "expected an image that takes at most {MAX_DECODED_BYTES} bytes to decode, found {width} × {height} pixels, \
             which take {needed_bytes}"
        )))
    }
}

fn invalid(reason: impl std::fmt::Display) -> Failure {
    Failure::invalid(format_args!("payload.image: {reason}"))
}

/// Whether the frame header of this JPEG is a progressive one. The decoder knows it too, and doesn't tell.
fn is_progressive(jpeg: &[u8]) -> bool {
    let mut rest = jpeg.get(2..).unwrap_or_default();
    loop {
        match rest {
            // Any number of 0xFF may fill the room before a marker.
            [0xFF, 0xFF, ..] => rest = rest.get(1..).unwrap_or_default(),
            // SOF2, SOF6, SOF10 and SOF14 are the progressive frames.
            [0xFF, 0xC2 | 0xC6 | 0xCA | 0xCE, ..] => return true,
            // Start of scan: the frame header was before it.
            [0xFF, 0xDA, ..] => return false,
            [0xFF, _, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                rest = rest.get(2 + length..).unwrap_or_default();
            }
            _ => return false,
        }
    }
}
