//! Crops and whole frames against the released pre-processing.

use handstream::event::Side;
use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::haptic::full::{CropRule, Cropper, Cut, HandBox, Picture, Sampling, Square};
use nalgebra::Vector2;

use crate::support::shared;
use crate::tensors::Fixture;

/// Largest difference from the released numbers, normalised colours, with OpenCV's sampling.
const TOLERANCE: f64 = 1e-5;
/// One grey level, and the mean difference that plain bilinear sampling may make.
const GREY_LEVEL: f64 = 1.0 / (255.0 * 0.224);
const MEAN_TOLERANCE: f64 = 0.006;

struct Case {
    fixture: Fixture,
    frame: Frame,
}

impl Case {
    fn open(name: &str, size: PictureSize) -> Option<Self> {
        let fixture = Fixture::open(&shared(&format!("fixtures/haptic/common/{name}.safetensors"))?);
        let pixels: Vec<u8> = fixture.numbers("image_rgb_u8").into_iter().map(|v| v as u8).collect();
        assert_eq!(pixels.len(), size.rgb_bytes());
        Some(Self { fixture, frame: Frame { pixels, size, timestamp: Timestamp(0), sequence: 0 } })
    }

    fn hand(&self, number: usize) -> (HandBox, Side) {
        let corners = &self.fixture.numbers("boxes_xyxy")[4 * number..];
        let corner = |at: usize| Vector2::new(corners[at], corners[at + 1]);
        let side = if self.fixture.numbers("right")[number] == 0.0 { Side::Left } else { Side::Right };
        (HandBox::from_corners(corner(0), corner(2)), side)
    }

    /// The largest and the mean difference of our picture from the fixture's, in the columns that are read.
    fn difference(&self, cut: &Cut, sampling: Sampling, name: &str) -> (f64, f64) {
        const LEFT_OUT: usize = 32;
        let mut picture = Picture::new();
        Cropper::new(sampling).cut(&self.frame, cut, &mut picture);
        let expected = self.fixture.numbers(name);
        let rows = expected.chunks_exact(256).map(|row| &row[LEFT_OUT..LEFT_OUT + Picture::COLUMNS]);
        let ours = picture.values().iter();
        let off: Vec<f64> = ours.zip(rows.flatten()).map(|(a, b)| (f64::from(*a) - b).abs()).collect();
        assert_eq!(off.len(), Picture::LEN);
        (off.iter().copied().fold(0.0, f64::max), off.iter().sum::<f64>() / off.len() as f64)
    }

    /// Compares one hand's crop, whose side the fixture names too, under both sampling rules.
    fn check(&self, number: usize, rule: CropRule, name: &str) {
        let (hand, side) = self.hand(number);
        let square = rule.square(&hand, self.frame.size).expect("a crop of this frame");
        let expected = self.fixture.number(&format!("{name}.box_size"));
        assert!((square.side() - expected).abs() < 1e-4, "{name}: side {} for {expected}", square.side());
        self.check_cut(&Cut { square, side, blurred: rule.blurs() }, &format!("{name}.img"));
    }

    fn check_cut(&self, cut: &Cut, name: &str) {
        let (most, _) = self.difference(cut, Sampling::OpenCv4, name);
        assert!(most < TOLERANCE, "{name}: {most} off");
        let (most, mean) = self.difference(cut, Sampling::Bilinear, name);
        println!("{name}: exact sampling differs by {most:.4}, {mean:.5} on average");
        assert!(most < 3.0 * GREY_LEVEL && mean < MEAN_TOLERANCE, "{name} bilinear: {most} {mean} off");
    }
}

#[test]
fn crops_and_whole_frame_equal_the_released_ones() {
    let Some(case) = Case::open("crops_synthetic", PictureSize::new(320, 240)) else { return };
    for number in 0..2 {
        case.check(number, CropRule::Hamer, &format!("hamer{number}"));
        case.check(number, CropRule::Haptic, &format!("haptic{number}"));
    }
    let square = Square::whole(case.frame.size).expect("a frame with pixels");
    case.check_cut(&Cut { square, side: case.hand(1).1, blurred: false }, "haptic1.orig_img");
}

#[test]
fn a_crop_that_hamer_blurs_equals_the_released_one() {
    let Some(case) = Case::open("crops_test1jpg", PictureSize::new(848, 565)) else { return };
    case.check(0, CropRule::Hamer, "hamer0");
}

#[test]
fn a_hand_that_is_not_mirrored_is_noticed() {
    let Some(case) = Case::open("crops_synthetic", PictureSize::new(320, 240)) else { return };
    let (hand, side) = case.hand(1);
    let square = CropRule::Haptic.square(&hand, case.frame.size).expect("a crop of this frame");
    let cut = Cut { square, side: side.other(), blurred: false };
    assert!(case.difference(&cut, Sampling::OpenCv4, "haptic1.img").0 > 1.0);
}
