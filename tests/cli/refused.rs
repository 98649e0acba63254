//! Mistakes, one sentence each.

use super::support;
use super::{Scratch, assert_refused, grey_pictures, handstream, said};

#[test]
fn a_card_that_is_not_there_or_not_wanted_is_one_sentence() {
    let scratch = Scratch::new();
    let pictures = grey_pictures(&scratch, 2);
    let out = scratch.path("out");
    let lite = handstream(&[&"track", &pictures, &"--out", &out, &"--device", &"cuda"]);
    assert_refused(&lite, &["--device cuda", "--profile haptic"]);
    assert_refused(&handstream(&[&"gpu", &"compile", &"--arch", &"sm_75"]), &["sm_75", "too old"]);
    let info = handstream(&[&"gpu", &"info"]);
    let said = String::from_utf8_lossy(&info.stdout).into_owned();
    assert!(info.status.success() && said.contains("compiler  ") && said.contains("card      "), "{said}");
}

#[test]
fn a_source_that_is_not_there_is_refused_and_nothing_is_written() {
    let scratch = Scratch::new();
    let out = scratch.path("out");
    let done = handstream(&[&"track", &scratch.path("missing.mp4"), &"--out", &out]);
    assert_refused(&done, &["missing.mp4"]);
    assert!(!out.exists());
}

#[test]
fn a_file_that_is_no_film_is_refused_by_name() {
    let scratch = Scratch::new();
    for (name, content) in [("empty.mp4", &b""[..]), ("letter.mp4", b"Dear reader, this is no film.")] {
        let file = scratch.file(name, content);
        assert_refused(&handstream(&[&"track", &file, &"--out", &scratch.path("out")]), &[name]);
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    let scratch = Scratch::new();
    let (Some(film), Some(_)) = (scratch.grey_film(), support::models()) else { return };
    let blocker = scratch.file("blocker", b"a file, no folder");
    let done = handstream(&[&"track", &film, &"--out", &blocker.join("out")]);
    assert_refused(&done, &["cannot write", "blocker"]);
}

#[test]
fn intrinsics_of_another_size_are_refused_not_scaled() {
    let scratch = Scratch::new();
    let Some(film) = scratch.grey_film() else { return };
    let yaml = "%YAML:1.0\nimage_width: 640\nimage_height: 480\ncamera_matrix: !!opencv-matrix\n   rows: 3\n   \
                cols: 3\n   dt: d\n   data: [ 500., 0., 320., 0., 500., 240., 0., 0., 1. ]\n";
    let file = scratch.file("camera.yaml", yaml.as_bytes());
    let done = handstream(&[&"track", &film, &"--camera-file", &file, &"--out", &scratch.path("out")]);
    assert_refused(&done, &["640", "64x48"]);
}

#[test]
fn a_hand_model_that_is_none_is_refused() {
    let scratch = Scratch::new();
    let Some(film) = scratch.grey_film() else { return };
    let model = scratch.file("MANO_RIGHT.pkl", b"\x80\x04not a hand");
    let done = handstream(&[&"track", &film, &"--hand-model", &model, &"--out", &scratch.path("out")]);
    assert_refused(&done, &["MANO_RIGHT.pkl"]);
}

#[test]
fn flags_out_of_range_are_refused() {
    for flags in [["--max-hands", "0"], ["--hand-length", "12"], ["--size", "wide"], ["--format", "bmp"]] {
        let done = handstream(&[&"track", &"film.mp4", &flags[0], &flags[1]]);
        assert!(!done.status.success());
        assert!(said(&done).contains(flags[1]), "{}", said(&done));
    }
}

#[test]
fn cameras_are_listed_or_their_absence_is_one_sentence() {
    let done = handstream(&[&"cameras"]);
    let listed = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && said(&done).is_empty(), "{}", said(&done));
    assert!(listed.starts_with("camera ") || listed.starts_with("no camera was found"), "{listed}");
}
