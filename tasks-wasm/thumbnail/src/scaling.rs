//! Makes an image fit into a box: smaller or as it is, never larger.

use image::DynamicImage;
use image::metadata::Orientation;

use crate::source::Decoded;

/// The image, upright and within the box, with 8 bits a channel.
pub(crate) fn fit(decoded: Decoded, max_width: u32, max_height: u32) -> DynamicImage {
    let Decoded { image, orientation } = decoded;
    // The image is turned after it was scaled, when there is less to turn; so the box lies down with it.
    let (max_width, max_height) =
        if lies_down(orientation) { (max_height, max_width) } else { (max_width, max_height) };
    let fits = image.width() <= max_width && image.height() <= max_height;
    let mut small = eight_bits(if fits { image } else { image.thumbnail(max_width, max_height) });
    small.apply_orientation(orientation);
    small
}

fn lies_down(orientation: Orientation) -> bool {
    match orientation {
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH => {
            true
        }
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => false,
    }
}

/// No screen shows more in a thumbnail, and a PNG of 16 bits is twice as large.
fn eight_bits(image: DynamicImage) -> DynamicImage {
    match (image.color().has_color(), image.color().has_alpha()) {
        (true, true) => image.into_rgba8().into(),
        (true, false) => image.into_rgb8().into(),
        (false, true) => image.into_luma_alpha8().into(),
        (false, false) => image.into_luma8().into(),
    }
}
