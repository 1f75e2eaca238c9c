//! A component that makes a thumbnail: a PNG or JPEG in, a PNG no larger than a box out. Images are base64.
//!
//! ```text
//! payload  {"image": "/9j/4AAQSkZJRgABAQ…", "max_width": 320, "max_height": 200}
//! result   {"image": "iVBORw0KGgoAAAANSU…", "width": 267, "height": 200}
//! ```
//!
//! The thumbnail keeps the proportions of the image, is never larger than it, and stands upright where a camera noted
//! in the JPEG how it was held. It has 8 bits a channel, keeps transparency, and carries none of the image's metadata.
//!
//! The box is 1 to 1024 pixels wide and high. A payload that is not such an image is `invalid`: broken base64, another
//! format, damaged data. So is an image whose header declares more than fits into the memory that a component has by
//! default, 64 MiB: it is refused before a pixel is decoded, whatever it claims to unpack to. A photo of 12 megapixels
//! fits, and a progressive JPEG of 4.

#![forbid(unsafe_code)]

mod scaling;
mod source;

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageFormat};
use serde::{Deserialize, Serialize};
use warren_task::Failure;

use crate::source::Source;

/// The largest box, in pixels a side: what is larger is no thumbnail, and its PNG would rarely fit into a result.
const MAX_SIDE: u32 = 1024;

/// What a publisher sends.
#[derive(Debug, Deserialize)]
struct Request {
    /// A PNG or JPEG in base64, with or without padding.
    image: String,
    /// In pixels, from 1 to [`MAX_SIDE`].
    max_width: u32,
    /// In pixels, from 1 to [`MAX_SIDE`].
    max_height: u32,
}

/// The smaller image.
#[derive(Debug, Serialize)]
struct Thumbnail {
    /// A PNG in base64.
    image: String,
    /// In pixels.
    width: u32,
    /// In pixels.
    height: u32,
}

/// From base64 to base64: open, check, decode, scale, encode.
#[warren_task::task]
fn execute(request: Request) -> Result<Thumbnail, Failure> {
    let Request { image, max_width, max_height } = request;
    check_side("max_width", max_width)?;
    check_side("max_height", max_height)?;
    let source = Source::open(image)?;
    let small = scaling::fit(source.decode()?, max_width, max_height);
    Ok(Thumbnail { width: small.width(), height: small.height(), image: to_base64_png(&small)? })
}

fn check_side(field: &str, pixels: u32) -> Result<(), Failure> {
    if (1..=MAX_SIDE).contains(&pixels) {
        return Ok(());
    }
    Err(Failure::invalid(format_args!("payload.{field}: expected 1 to {MAX_SIDE}, found {pixels}")))
}

fn to_base64_png(image: &DynamicImage) -> Result<String, Failure> {
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png)?;
    Ok(STANDARD.encode(png.into_inner()))
}

#[cfg(test)]
mod tests;
