//! Images of each kind, honest and not, and the thumbnails or refusals that they give.

use image::{GenericImageView as _, Luma, Rgb, RgbImage, Rgba, RgbaImage};

use super::*;

fn request(bytes: &[u8], max_width: u32, max_height: u32) -> Request {
    Request { image: STANDARD.encode(bytes), max_width, max_height }
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn thumbnail(bytes: &[u8], max_width: u32, max_height: u32) -> DynamicImage {
    let thumbnail = execute(request(bytes, max_width, max_height)).unwrap();
    let image =
        image::load_from_memory_with_format(&STANDARD.decode(&thumbnail.image).unwrap(), ImageFormat::Png).unwrap();
    assert_eq!(image.dimensions(), (thumbnail.width, thumbnail.height));
    image
}

fn refusal(request: Request) -> String {
    match execute(request) {
        Err(Failure::Invalid(reason)) => reason,
        other => panic!("not invalid: {other:?}"),
    }
}

/// The left half red, the right half blue.
fn red_and_blue(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| if x < width / 2 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) })
}

/// A PNG of one pixel whose header declares other dimensions, with the checksum to match.
fn png_that_declares(width: u32, height: u32) -> Vec<u8> {
    let mut png = encoded(red_and_blue(1, 1), ImageFormat::Png);
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = png[12..29].iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
    });
    png[29..33].copy_from_slice(&(!crc).to_be_bytes());
    png
}

/// A JPEG whose EXIF block says how the camera was held.
fn jpeg_with_orientation(image: RgbImage, orientation: u8) -> Vec<u8> {
    let jpeg = encoded(image, ImageFormat::Jpeg);
    let mut exif = b"\xFF\xE1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    [&jpeg[..2], &exif, &jpeg[2..]].concat()
}

#[test]
fn a_png_becomes_smaller_and_keeps_its_proportions_and_colours() {
    let small = thumbnail(&encoded(red_and_blue(400, 200), ImageFormat::Png), 100, 100);
    assert_eq!(small.dimensions(), (100, 50));
    assert_eq!((small.get_pixel(10, 25), small.get_pixel(90, 25)), (Rgba([255, 0, 0, 255]), Rgba([0, 0, 255, 255])));
}

#[test]
fn a_jpeg_becomes_a_smaller_png() {
    assert_eq!(thumbnail(&encoded(red_and_blue(300, 600), ImageFormat::Jpeg), 1000, 60).dimensions(), (30, 60));
}

#[test]
fn an_image_that_fits_is_never_made_larger() {
    assert_eq!(thumbnail(&encoded(red_and_blue(30, 20), ImageFormat::Png), 300, 200).dimensions(), (30, 20));
}

#[test]
fn a_very_long_image_keeps_at_least_one_pixel_of_its_short_side() {
    assert_eq!(thumbnail(&encoded(red_and_blue(5000, 2), ImageFormat::Png), 50, 50).dimensions(), (50, 1));
}

#[test]
fn transparency_stays_and_sixteen_bits_become_eight() {
    let clear = RgbaImage::from_pixel(40, 40, Rgba([10, 20, 30, 0]));
    assert_eq!(thumbnail(&encoded(clear, ImageFormat::Png), 10, 10).get_pixel(5, 5).0[3], 0);
    let grey = image::ImageBuffer::from_pixel(40, 40, Luma([0x8080_u16]));
    let small = thumbnail(&encoded(DynamicImage::ImageLuma16(grey), ImageFormat::Png), 10, 10);
    assert_eq!(small.color(), image::ColorType::L8);
}

#[test]
fn a_photo_taken_upright_stands_upright() {
    // 6: turned clockwise by a quarter, so what was left comes to the top.
    let small = thumbnail(&jpeg_with_orientation(red_and_blue(400, 200), 6), 50, 100);
    assert_eq!(small.dimensions(), (50, 100));
    let (top, bottom) = (small.get_pixel(25, 10), small.get_pixel(25, 90));
    assert!(top[0] > 200 && top[2] < 50 && bottom[2] > 200 && bottom[0] < 50, "{top:?} {bottom:?}");
}

#[test]
fn base64_may_come_without_its_padding() {
    let mut unpadded = request(&encoded(red_and_blue(3, 3), ImageFormat::Png), 2, 2);
    unpadded.image = unpadded.image.trim_end_matches('=').to_owned();
    assert_eq!(execute(unpadded).unwrap().width, 2);
}

#[test]
fn a_decompression_bomb_is_refused_by_its_header() {
    let reason = refusal(request(&png_that_declares(50_000, 50_000), 10, 10));
    assert!(reason.contains("found 50000 × 50000 pixels"), "{reason}");
    let reason = refusal(request(&png_that_declares(u32::MAX >> 1, u32::MAX >> 1), 10, 10));
    assert!(reason.starts_with("payload.image: "), "{reason}");
}

#[test]
fn a_progressive_jpeg_may_declare_less() {
    let mut jpeg = encoded(red_and_blue(3000, 2000), ImageFormat::Jpeg);
    assert_eq!(thumbnail(&jpeg, 30, 30).dimensions(), (30, 20));
    let frame = jpeg.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 1] = 0xC2;
    let reason = refusal(request(&jpeg, 30, 30));
    assert!(reason.contains("found 3000 × 2000 pixels"), "{reason}");
}

#[test]
fn a_box_without_room_or_without_measure_is_invalid() {
    let png = encoded(red_and_blue(2, 2), ImageFormat::Png);
    assert_eq!(refusal(request(&png, 0, 9)), "payload.max_width: expected 1 to 1024, found 0");
    assert_eq!(refusal(request(&png, 9, 1025)), "payload.max_height: expected 1 to 1024, found 1025");
}

#[test]
fn what_is_no_such_image_is_invalid() {
    let png = encoded(red_and_blue(64, 64), ImageFormat::Png);
    let cases: [(String, &str); 6] = [
        ("not base64!".to_owned(), "expected base64, found something else"),
        (String::new(), "expected PNG or JPEG, found neither"),
        (STANDARD.encode("plain text"), "expected PNG or JPEG, found neither"),
        (STANDARD.encode("GIF89a\0\0\0\0\0\0"), "expected PNG or JPEG, found image/gif"),
        (STANDARD.encode(&png[..60]), ""),
        (STANDARD.encode(b"\xFF\xD8\xFF\xE0 and then nonsense"), ""),
    ];
    for (image, expected) in cases {
        let reason = refusal(Request { image, max_width: 1, max_height: 1 });
        assert!(reason.starts_with(&format!("payload.image: {expected}")), "{reason}");
    }
}

#[test]
fn damaged_images_are_refused_and_never_a_panic() {
    for image in [encoded(red_and_blue(16, 16), ImageFormat::Png), encoded(red_and_blue(16, 16), ImageFormat::Jpeg)] {
        for position in 0..image.len() {
            let mut damaged = image.clone();
            damaged[position] ^= 0xFF;
            match execute(request(&damaged, 4, 4)) {
                Ok(_) | Err(Failure::Invalid(_)) => {}
                Err(other) => panic!("byte {position}: {other}"),
            }
        }
    }
}
