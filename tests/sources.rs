//! Videos and pictures of every kind, good and bad, made on the spot by ffmpeg and the image crate.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::source::{OpenOptions, Source, SourceError, open};

/// Runs ffmpeg with `arguments` and the file `name` in a folder; `None`, with a printed reason, where it
/// is not installed.
fn made(folder: &tempfile::TempDir, name: &str, arguments: &str) -> Option<PathBuf> {
    let path = folder.path().join(name);
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-y", "-loglevel", "error"])
        .args(arguments.split_whitespace())
        .arg(&path)
        .stdin(Stdio::null())
        .status();
    match status {
        Ok(status) => assert!(status.success(), "ffmpeg {arguments}"),
        Err(error) => {
            println!("skipped: ffmpeg cannot be started ({error})");
            return None;
        }
    }
    Some(path)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open_default(path: &Path) -> Result<Box<dyn Source>, SourceError> {
    open(&path.display().to_string(), &OpenOptions::default())
}

fn all_frames(source: &mut dyn Source) -> Vec<Frame> {
    std::iter::from_fn(|| source.next_frame().expect("a good frame")).collect()
}

fn sentence(result: Result<Box<dyn Source>, SourceError>) -> String {
    result.err().expect("it must not open").to_string()
}

/// Timestamps of a file's frames as ffprobe prints them, seconds.
fn ffprobe_times(path: &Path) -> Vec<f64> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-of", "csv=p=0"])
        .args(["-show_entries", "frame=best_effort_timestamp_time"])
        .arg(path)
        .output()
        .expect("ffprobe");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split(',').next()?.parse().ok())
        .collect()
}

#[test]
fn every_coded_frame_of_a_variable_rate_video_comes_once_with_its_own_time() {
    let folder = folder();
    // 30 frames of which every third is taken out and the rest slows down.
    let Some(path) = made(
        &folder,
        "variable.mp4",
        "-f lavfi -i testsrc2=size=320x240:rate=30:duration=1 -vf select='mod(n\\,3)',setpts=PTS*(1+N/20) \
         -vsync vfr -pix_fmt yuv420p -c:v libx264",
    ) else {
        return;
    };
    let frames = all_frames(open_default(&path).unwrap().as_mut());
    let expected = ffprobe_times(&path);
    assert_eq!(frames.len(), 20);
    assert_eq!(frames.len(), expected.len());
    for (frame, expected) in frames.iter().zip(expected) {
        assert!((frame.timestamp.seconds() - expected).abs() < 2e-6, "{} {expected}", frame.sequence);
    }
}

#[test]
fn a_rotated_video_is_upright_and_says_so_beforehand() {
    let folder = folder();
    // Left half red, right half blue, marked to be turned by 90 degrees.
    let Some(flat) = made(
        &folder,
        "flat.mp4",
        "-f lavfi -i color=red:size=64x96:rate=10:duration=0.5 -f lavfi -i color=blue:size=64x96:rate=10 \
         -filter_complex hstack=shortest=1 -pix_fmt yuv420p -c:v libx264",
    ) else {
        return;
    };
    let arguments = format!("-i {} -c copy -metadata:s:v rotate=90", flat.display());
    let Some(turned) = made(&folder, "turned.mp4", &arguments) else { return };
    let mut source = open_default(&turned).unwrap();
    assert_eq!(source.info().size, PictureSize::new(96, 128));
    let frame = source.next_frame().unwrap().unwrap();
    assert_eq!(frame.size, source.info().size);
    assert_eq!(frame.pixels.len(), frame.size.rgb_bytes());
    // The halves now lie above each other.
    let pixel = |x: usize, y: usize| &frame.pixels[3 * (y * 96 + x)..][..3];
    assert_eq!(pixel(5, 5), pixel(90, 5));
    assert!(pixel(5, 5)[0].abs_diff(pixel(5, 120)[0]) > 200);
}

#[test]
fn odd_sizes_and_unusual_pixel_formats_are_decoded() {
    let folder = folder();
    for (name, arguments) in [
        ("odd.mkv", "-pix_fmt yuv444p -c:v ffv1 -vf scale=37:23"),
        ("grey.mkv", "-pix_fmt gray -c:v ffv1 -vf scale=37:23"),
        ("alpha.mkv", "-pix_fmt yuva420p -c:v ffv1 -vf scale=37:23"),
        ("deep.mkv", "-pix_fmt yuv420p10le -c:v ffv1 -vf scale=37:23"),
        ("tiny.mkv", "-pix_fmt bgr0 -c:v ffv1 -vf scale=1:1"),
    ] {
        let arguments = format!("-f lavfi -i testsrc2=size=320x240:rate=30:duration=0.2 {arguments}");
        let Some(path) = made(&folder, name, &arguments) else { return };
        let frames = all_frames(open_default(&path).unwrap().as_mut());
        assert_eq!(frames.len(), 6, "{name}");
        let expected = if name == "tiny.mkv" { PictureSize::new(1, 1) } else { PictureSize::new(37, 23) };
        assert!(frames.iter().all(|frame| frame.size == expected), "{name}");
        assert!(frames.iter().all(|frame| frame.pixels.len() == expected.rgb_bytes()), "{name}");
    }
}

#[test]
fn a_file_that_breaks_off_gives_its_frames_and_then_says_how_many() {
    let folder = folder();
    let Some(path) = made(
        &folder,
        "whole.mp4",
        "-f lavfi -i testsrc2=size=320x240:rate=30:duration=2 -pix_fmt yuv420p -c:v libx264 -movflags +faststart",
    ) else {
        return;
    };
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let mut source = open_default(&path).unwrap();
    let mut frames = 0;
    let said = loop {
        match source.next_frame() {
            Ok(Some(_)) => frames += 1,
            Ok(None) => panic!("the break must be told"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(frames > 5 && frames < 60, "{frames}");
    assert!(said.contains(&format!("after {frames} of 60 frames")), "{said}");
    assert!(source.next_frame().unwrap().is_none(), "after the break the source has ended");
}

#[test]
fn every_bad_video_gets_its_own_sentence() {
    let folder = folder();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let absent = folder.path().join("absent.mp4");
    assert!(sentence(open_default(&absent)).contains("there is no file or folder"));
    assert!(sentence(open_default(&file("empty.mp4", b""))).contains("is empty"));
    let Some(sound) = made(&folder, "sound.m4a", "-f lavfi -i sine=duration=0.2 -c:a aac") else {
        return;
    };
    let said = sentence(open_default(&sound));
    assert!(said.contains("only sound"), "{said}");
    for (name, content) in [
        ("text.mp4", b"Dear diary, today I saw two hands.\n".repeat(40)),
        ("text.txt", b"Dear diary, today I saw two hands.\n".repeat(40)),
        ("noise.mp4", (0..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()),
    ] {
        let said = sentence(open_default(&file(name, &content)));
        assert!(said.contains("is no video") || said.contains("no picture"), "{said}");
    }
    let Some(whole) = made(
        &folder,
        "whole.mp4",
        "-f lavfi -i testsrc2=size=320x240:rate=30:duration=1 -pix_fmt yuv420p -c:v libx264",
    ) else {
        return;
    };
    let bytes = std::fs::read(&whole).unwrap();
    let said = sentence(open_default(&file("cut.mp4", &bytes[..bytes.len() / 2])));
    assert!(said.contains("cut off"), "{said}");
    let said = sentence(open_default(&folder.path().join("none")));
    assert!(said.contains("check the path"), "{said}");
}

#[test]
fn a_sound_file_with_a_cover_picture_is_no_video() {
    let folder = folder();
    let Some(path) = made(
        &folder,
        "cover.mp3",
        "-f lavfi -i sine=duration=0.2 -f lavfi -i color=red:size=64x64:duration=0.04:rate=25 -map 0 -map 1 \
         -c:a mp3 -c:v png -frames:v 1 -disposition:v attached_pic",
    ) else {
        return;
    };
    assert!(sentence(open_default(&path)).contains("only sound"));
}

#[test]
fn a_source_that_is_dropped_early_leaves_no_process_waiting() {
    let folder = folder();
    let Some(path) = made(
        &folder,
        "long.mp4",
        "-f lavfi -i testsrc2=size=640x480:rate=30:duration=4 -pix_fmt yuv420p -c:v libx264 -preset ultrafast",
    ) else {
        return;
    };
    let mut source = open_default(&path).unwrap();
    source.next_frame().unwrap().unwrap();
    let start = std::time::Instant::now();
    drop(source);
    assert!(start.elapsed().as_secs_f64() < 2.0, "ffmpeg must be stopped, not waited for");
}

fn save(folder: &tempfile::TempDir, name: &str, picture: impl Into<image::DynamicImage>) -> PathBuf {
    let path = folder.path().join(name);
    picture.into().save(&path).expect("a picture");
    path
}

#[test]
fn a_folder_of_pictures_comes_in_the_order_of_its_numbers() {
    let folder = folder();
    for number in [10_u8, 9, 100, 1] {
        save(&folder, &format!("f{number}.png"), image::RgbImage::from_pixel(4, 3, image::Rgb([number; 3])));
    }
    std::fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
    let options = OpenOptions { picture_fps: 10.0, ..OpenOptions::default() };
    let mut source = open(&folder.path().display().to_string(), &options).unwrap();
    assert_eq!(source.info().frame_count, Some(4));
    let frames = all_frames(source.as_mut());
    let seen: Vec<_> = frames.iter().map(|frame| frame.pixels[0]).collect();
    assert_eq!(seen, [1, 9, 10, 100]);
    assert_eq!(frames[3].timestamp, Timestamp::from_seconds(0.3));
}

#[test]
fn grey_alpha_and_deep_pictures_become_rgb_and_the_smallest_and_largest_run() {
    let folder = folder();
    let grey = save(&folder, "grey.png", image::GrayImage::from_pixel(1, 1, image::Luma([7])));
    let alpha = save(&folder, "alpha.png", image::RgbaImage::from_pixel(3, 2, image::Rgba([7, 8, 9, 0])));
    let deep = save(
        &folder,
        "deep.png",
        image::ImageBuffer::<image::Rgb<u16>, _>::from_pixel(2, 5, image::Rgb([65_535, 257, 0])),
    );
    let large = save(&folder, "large.jpg", image::GrayImage::from_pixel(8000, 6000, image::Luma([200])));
    let first = |path: &PathBuf| open_default(path).unwrap().next_frame().unwrap().unwrap();
    assert_eq!(first(&grey).pixels, [7, 7, 7]);
    assert_eq!(first(&alpha).pixels, [7, 8, 9].repeat(6));
    assert_eq!(first(&deep).pixels, [255, 1, 0].repeat(10));
    let frame = first(&large);
    assert_eq!(frame.size, PictureSize::new(8000, 6000));
    assert_eq!(frame.pixels.len(), 8000 * 6000 * 3);
}

#[test]
fn a_photograph_is_turned_as_its_camera_noted() {
    let folder = folder();
    let mut picture = image::GrayImage::from_pixel(32, 16, image::Luma([250]));
    (0..16).for_each(|y| (0..16).for_each(|x| picture.put_pixel(x, y, image::Luma([5]))));
    let path = save(&folder, "turned.jpg", picture);
    // EXIF with one entry: orientation (0x0112), one short, 6 = turn by 90 degrees clockwise.
    let mut exif =
        b"\xFF\xE1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0".to_vec();
    exif.extend([0; 4]);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.splice(2..2, exif);
    std::fs::write(&path, bytes).unwrap();
    let frame = open_default(&path).unwrap().next_frame().unwrap().unwrap();
    assert_eq!(frame.size, PictureSize::new(16, 32));
    assert!(frame.pixels[0] < 50 && *frame.pixels.last().unwrap() > 200, "dark half above");
}

#[test]
fn a_damaged_and_an_odd_sized_picture_are_named_and_the_rest_is_read() {
    let folder = folder();
    let picture = image::RgbImage::from_pixel(32, 32, image::Rgb([9; 3]));
    for number in [1, 2, 4] {
        save(&folder, &format!("{number}.png"), picture.clone());
    }
    let damaged = save(&folder, "2.png", picture);
    let bytes = std::fs::read(&damaged).unwrap();
    std::fs::write(&damaged, &bytes[..bytes.len() / 2]).unwrap();
    save(&folder, "3.png", image::RgbImage::new(32, 31));
    let mut source = open_default(folder.path()).unwrap();
    let mut results = Vec::new();
    for _ in 0..4 {
        results.push(source.next_frame());
    }
    assert!(source.next_frame().unwrap().is_none());
    let said: Vec<_> = results.iter().filter_map(|r| r.as_ref().err().map(ToString::to_string)).collect();
    assert!(said[0].contains("2.png") && said[0].contains("damaged"), "{said:?}");
    assert!(said[1].contains("3.png") && said[1].contains("32x31"), "{said:?}");
    let sequences: Vec<_> = results.iter().flatten().flatten().map(|frame| frame.sequence).collect();
    assert_eq!(sequences, [0, 3], "a lost picture leaves a gap in the numbers");
}

#[test]
fn an_empty_folder_and_a_renamed_text_get_their_sentences() {
    let folder = folder();
    assert!(sentence(open_default(folder.path())).contains("holds no pictures"));
    let text = folder.path().join("text.jpg");
    std::fs::write(&text, "no picture").unwrap();
    assert!(sentence(open_default(&text)).contains("damaged or no picture"));
}

#[cfg(feature = "camera")]
#[test]
fn a_camera_that_is_not_there_is_said_so() {
    let said = sentence(open("camera:4711", &OpenOptions::default()));
    assert!(said.contains("there is no camera 4711"), "{said}");
}

#[test]
fn footage_is_decoded_to_the_pixels_that_opencv_gives() {
    // Sums of the first frame's R, G, B as OpenCV 4.11 decodes them (cv2.VideoCapture, BGR turned).
    for (name, sums) in [
        ("webcam_one_hand_office.mp4", [110934465, 108063871, 108245997]),
        ("static_hand_enters_outdoor.mp4", [43617008, 41907640, 40510948]),
        ("stereo_desk_cam0_a.mp4", [53205229, 54565628, 53219004]),
    ] {
        let Some(path) = support::shared(&format!("footage/video/{name}")) else { return };
        let frame = open_default(&path).unwrap().next_frame().unwrap().unwrap();
        let found =
            [0, 1, 2].map(|c| frame.pixels.iter().skip(c).step_by(3).map(|v| u64::from(*v)).sum::<u64>());
        assert_eq!(found, sums, "{name}");
    }
}
