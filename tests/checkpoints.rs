//! Checkpoints as users have them: read, refused with one sentence, rewritten small, noted once.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use handstream::haptic::full::{CompactNumbers, CompactOptions, NetworkKind, ReleasedFile};
use handstream::haptic::omni::{OmniFile, RelationMode};
use handstream::net::{Checkpoint, CheckpointFile, Dtype};

#[path = "support/mod.rs"]
mod support;

use support::omni_release::OmniRelease;
use support::release::Release;
use support::torch_zip::{Block, Pickler, write_archive};

/// A checkpoint with its yaml in a folder of the test's own.
struct Installed {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Installed {
    fn new(release: &Release) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = release.install(folder.path());
        Self { folder, path }
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn refusal(path: &Path) -> String {
    let error = ReleasedFile::open(path).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains(&*path.file_name().unwrap().to_string_lossy()), "names the file: {error}");
    error
}

/// All numbers of the network; `None` where a tensor is missing, damaged or of another shape.
fn network(release: &Release, bytes: &[u8]) -> Option<Vec<Vec<f32>>> {
    let checkpoint = Checkpoint::parse(bytes).ok()?;
    let tensors = release.tensors().into_iter();
    let needed = tensors
        .filter(|tensor| tensor.name.starts_with("backbone.") || tensor.name.starts_with("mano_head."));
    needed.map(|tensor| checkpoint.root().tensor(&tensor.name, &tensor.shape).ok()).collect()
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), Block::Bytes(bytes.to_vec())));
    write_archive(&mut out, files).unwrap();
    out.into_inner()
}

#[test]
fn the_generated_layout_is_the_released_one_name_by_name() {
    for haptic in [false, true] {
        let kind = if haptic { "haptic" } else { "hamer" };
        let Some(path) = support::shared(&format!("fixtures/haptic/common/release_keys_{kind}.json")) else {
            return;
        };
        let released: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let released = released.as_object().unwrap();
        let tensors = Release::full(haptic).tensors();
        for tensor in &tensors {
            let layout = serde_json::json!([tensor.shape, tensor.type_name()]);
            assert_eq!(released[&tensor.name], layout, "{}", tensor.name);
        }
        let second = released.keys().filter(|name| name.starts_with("backbone_bg.")).count();
        assert_eq!(tensors.len() + second, released.len());
    }
}

#[test]
fn both_releases_open_and_tell_their_sizes() {
    for (release, kind, window) in
        [(Release::small(), NetworkKind::Haptic, 30), (Release::small_hamer(), NetworkKind::Hamer, 1)]
    {
        let file = Installed::new(&Release { optimiser: 2, ..release.clone() });
        let read = ReleasedFile::open(&file.path).unwrap();
        let (vit, decoder) = (read.vit(), read.decoder());
        assert_eq!((read.kind(), decoder.longest_window), (kind, window));
        assert_eq!([vit.width, vit.depth, vit.heads, vit.hidden], release.vit);
        let head = decoder.inner / decoder.heads;
        assert_eq!([decoder.width, decoder.depth, decoder.heads, head, decoder.hidden], release.decoder);
        assert!(read.settings().is_some_and(Path::is_file));
    }
}

#[test]
fn released_sizes_need_no_yaml_and_no_numbers() {
    let mut out = std::io::Cursor::new(Vec::new());
    Release { vit: [1280, 1, 16, 64], decoder: [1024, 1, 8, 64, 32], ..Release::full(true) }.write(&mut out);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.ckpt");
    std::fs::write(&path, out.into_inner()).unwrap();
    let read = ReleasedFile::open(&path).unwrap();
    assert_eq!((read.vit().heads, read.decoder().heads), (16, 8));
    assert!(read.settings().is_none());
}

#[cfg(target_os = "linux")]
#[test]
fn eight_gigabytes_with_optimiser_states_open_at_once_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.ckpt");
    let mut out = std::fs::File::create(&path).unwrap();
    Release { optimiser: 2, ..Release::full(true) }.write(&mut out);
    let size = std::fs::metadata(&path).unwrap().len();
    assert!(size > 8_300_000_000, "{size}");
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let (before, start) = (resident(), std::time::Instant::now());
    let read = ReleasedFile::open(&path).unwrap();
    let (elapsed, grown) = (start.elapsed(), resident().saturating_sub(before));
    println!("{:.1} GB opened in {elapsed:?}, {grown} kB more resident", size as f64 / 1e9);
    assert_eq!(read.vit().depth, 32);
    assert!(elapsed.as_secs_f64() < 1.0, "{elapsed:?}");
    assert!(grown < 64 << 10, "{grown} kB");
}

#[test]
fn a_changed_bit_is_refused_or_changes_no_number() {
    let release = Release { optimiser: 1, ..Release::small() };
    let good = release.bytes();
    let numbers = network(&release, &good).unwrap();
    let end = good.len();
    // The list of tensors at the start and the table of contents at the end, then everywhere.
    let places =
        (0..40_000).step_by(199).chain((end - 60_000..end).step_by(307)).chain((0..end).step_by(19_973));
    let (mut refused, mut harmless) = (0, 0);
    for (turn, at) in places.enumerate() {
        let mut changed = good.clone();
        changed[at] ^= 1 << (turn % 8);
        match network(&release, &changed) {
            None => refused += 1,
            Some(read) => {
                assert!(read == numbers, "byte {at}");
                harmless += 1;
            }
        }
    }
    assert!(refused > 150 && harmless > 40, "{refused} refused, {harmless} harmless");
}

#[test]
fn a_file_cut_anywhere_is_refused_with_a_sentence() {
    let good = Release::small_hamer().bytes();
    for length in (0..good.len()).step_by(good.len() / 300) {
        let error = Checkpoint::parse(&good[..length]).unwrap_err().to_string();
        assert!(error.contains("cut short") || error.contains("no checkpoint"), "{length}: {error}");
    }
}

#[test]
fn every_foreign_file_is_told_what_was_expected() {
    let here = Installed::new(&Release::small());
    let legacy = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.";
    let mut list = Pickler::new();
    list.raw(b"]");
    let list = list.finish();
    let mut other = Pickler::new();
    other.raw(b"}(").text("state_dict").raw(b"}(").text("backbone.patch_embed.proj.weight");
    other.tensor("FloatStorage", 0, &[1]).raw(b"uu");
    let other = zipped(&[("best/data.pkl", &other.finish()), ("best/data/0", &[0; 4])]);
    let mut big = Pickler::new();
    big.raw(b"}(").text("w").tensor("FloatStorage", 0, &[1 << 40, 1 << 40]).raw(b"u");
    let cases: [(&str, &[u8], &[&str]); 10] = [
        ("empty.ckpt", b"", &["it is empty", "copy or fetch it again"]),
        ("page.ckpt", b"<!doctype html><html>Sign in</html>", &["no checkpoint", ".ckpt"]),
        ("pointer.ckpt", b"version https://git-lfs.github.com/spec/v1\n", &["no checkpoint"]),
        ("old.pth", legacy, &["PyTorch before 1.6", "torch.save(torch.load("]),
        ("arrays.npz", &zipped(&[("pose.npy", b"\x93NUMPY")]), &["without torch's data.pkl", ".safetensors"]),
        ("script.pt", &zipped(&[("m/data.pkl", b""), ("m/constants.pkl", b"")]), &["TorchScript"]),
        ("list.pth", &zipped(&[("a/data.pkl", &list)]), &["without a state_dict"]),
        ("big.pth", &zipped(&[("a/data.pkl", &big.finish()), ("a/data/0", &[0; 4])]), &["neither HaMeR nor"]),
        ("wholebody.pth", &other, &["neither HaMeR nor HaPTIC", "mano_head", "hamer.ckpt"]),
        ("big_endian.pth", &zipped(&[("a/data.pkl", &list), ("a/byteorder", b"big")]), &["big-endian"]),
    ];
    for (name, content, words) in cases {
        let error = refusal(&here.file(name, content));
        for word in words {
            assert!(error.contains(word), "no “{word}” in: {error}");
        }
    }
    assert!(refusal(&here.folder.path().join("missing.ckpt")).contains("check the path"));
    assert!(refusal(here.folder.path()).contains("folder"));
}

#[test]
fn sizes_that_promise_more_than_the_file_holds_are_refused_without_room_for_them() {
    let mut big = Pickler::new();
    big.raw(b"}(").text("w").tensor("FloatStorage", 0, &[1 << 40]).raw(b"u");
    let bytes = zipped(&[("a/data.pkl", &big.finish()), ("a/data/0", &[0; 4])]);
    let checkpoint = Checkpoint::parse(&bytes).unwrap();
    let error = checkpoint.root().tensor("w", &[1 << 40]).unwrap_err().to_string();
    assert!(error.contains("w lies outside of its storage"), "{error}");

    let mut big = Pickler::new();
    big.raw(b"}(");
    for tensor in Release::small_hamer().tensors() {
        let block = tensor.name.starts_with("backbone.blocks.1.attn.qkv.weight");
        let shape = if block { vec![1 << 40; 3] } else { tensor.shape };
        big.text(&tensor.name).tensor("FloatStorage", 0, &shape);
    }
    big.raw(b"u");
    let here = Installed::new(&Release::small_hamer());
    let content = zipped(&[("a/data.pkl", &big.finish()), ("a/data/0", &[0; 1 << 20])]);
    std::fs::write(&here.path, content).unwrap();
    let (file, out) = (ReleasedFile::open(&here.path).unwrap(), here.folder.path().join("out"));
    let error = file.write_compact(&out, CompactOptions::default()).unwrap_err().to_string();
    assert!(error.contains("outside of its storage") && !out.exists(), "{error}");
}

#[test]
fn parameters_views_and_narrow_types_give_their_numbers() {
    // Storage 0: f32 0..6, storage 1: bf16 1, 2. A parameter; a transposed view; a slice; two narrow ones.
    let mut pickle = Pickler::new();
    let storage = |pickle: &mut Pickler, class: &str, key: &str, count: usize| {
        pickle.raw(b"(").text("storage").global("torch", class).text(key).text("cpu").int(count).raw(b"tQ");
    };
    pickle.raw(b"}(").text("parameter").global("torch._utils", "_rebuild_parameter").raw(b"(");
    pickle.tensor("FloatStorage", 0, &[2, 3]).raw(b"\x88NtR");
    for (name, offset, shape, strides) in [("turned", 0, [3, 2], [1, 3]), ("slice", 1, [1, 2], [3, 1])] {
        pickle.text(name).global("torch._utils", "_rebuild_tensor_v2").raw(b"(");
        storage(&mut pickle, "FloatStorage", "0", 6);
        pickle.int(offset).sizes(&shape).sizes(&strides).raw(b"\x89NtR");
    }
    pickle.text("brain").tensor("BFloat16Storage", 1, &[2]).text("count").int(3).raw(b"u");
    let numbers: Vec<u8> = (0..6_u8).flat_map(|v| f32::from(v).to_le_bytes()).collect();
    let bytes = zipped(&[
        ("m/data.pkl", &pickle.finish()),
        ("m/data/0", &numbers),
        ("m/data/1", &[0x80, 0x3f, 0x00, 0x40]),
    ]);
    let checkpoint = Checkpoint::parse(&bytes).unwrap();
    let root = checkpoint.root();
    assert_eq!(root.tensor("parameter", &[2, 3]).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(root.tensor("turned", &[3, 2]).unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(root.tensor("slice", &[1, 2]).unwrap(), [1.0, 2.0]);
    assert_eq!(root.tensor("brain", &[2]).unwrap(), [1.0, 2.0]);
    assert!(root.names().eq(["brain", "parameter", "slice", "turned"]));
}

#[test]
fn a_second_backbone_of_its_own_is_refused() {
    let here = Installed::new(&Release { second_backbone: true, ..Release::small() });
    assert!(refusal(&here.path).contains("second backbone"));
}

#[test]
fn settings_are_needed_for_unknown_sizes_and_must_belong_to_the_checkpoint() {
    let release = Release::small();
    let here = Installed::new(&release);
    let yaml = ReleasedFile::open(&here.path).unwrap().settings().unwrap().to_owned();
    std::fs::write(&yaml, release.yaml().replace("depth: 2", "depth: 6")).unwrap();
    let error = refusal(&here.path);
    assert!(
        error.contains("config.yaml") && error.contains("depth is 6 there and 2 in the network"),
        "{error}"
    );
    std::fs::remove_file(&yaml).unwrap();
    assert!(refusal(&here.path).contains("how many heads"));
}

#[test]
fn a_converted_file_holds_the_same_numbers_and_knows_its_heads() {
    let release = Release::small();
    let here = Installed::new(&release);
    let original = ReleasedFile::open(&here.path).unwrap();
    let out = tempfile::tempdir().unwrap();
    for (numbers, precision) in
        [(CompactNumbers::F32, 0.0), (CompactNumbers::F16, 1.0 / 2048.0), (CompactNumbers::Bf16, 1.0 / 256.0)]
    {
        let path = out.path().join(format!("{}.safetensors", numbers.name()));
        let report = original.write_compact(&path, CompactOptions { numbers, with_mano: false }).unwrap();
        let written = ReleasedFile::open(&path).unwrap();
        assert_eq!((written.vit(), written.decoder()), (original.vit(), original.decoder()));
        assert_eq!(report.bytes, std::fs::metadata(&path).unwrap().len());
        let (new, old) = (written.checkpoint(), original.checkpoint());
        assert_eq!((new.fact("source"), new.fact("kind")), (Some("last.ckpt"), Some("haptic")));
        assert_eq!(new.root().names().count(), report.kept);
        for name in new.root().names() {
            assert!(name.starts_with("backbone.") || name.starts_with("mano_head."), "{name}");
            let shape = old.root().shape(name).unwrap();
            let [ours, theirs] = [&new, &old].map(|file| file.root().tensor(name, &shape).unwrap());
            let exact = !name.ends_with(".weight") || shape.len() < 2;
            for (ours, theirs) in ours.iter().zip(&theirs) {
                let allowed = if exact { 0.0 } else { precision * theirs.abs() + 1e-7 };
                assert!((ours - theirs).abs() <= allowed, "{name}: {ours} {theirs}");
            }
        }
    }
}

#[test]
fn the_licensed_hand_is_kept_only_when_asked_for() {
    let here = Installed::new(&Release::small_hamer());
    let path = here.folder.path().join("with_mano.safetensors");
    let options = CompactOptions { with_mano: true, ..CompactOptions::default() };
    ReleasedFile::open(&here.path).unwrap().write_compact(&path, options).unwrap();
    let file = CheckpointFile::open(&path).unwrap();
    assert_eq!(file.checkpoint().layout("mano.faces_tensor"), Some((Dtype::I64, &[1538, 3][..])));
    assert!(!file.checkpoint().root().has("discriminator.D_conv1.weight"));
}

#[test]
fn numbers_that_do_not_fit_are_refused_and_nothing_is_left() {
    let here = Installed::new(&Release { outlier: Some(70_000.0), ..Release::small_hamer() });
    let file = ReleasedFile::open(&here.path).unwrap();
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("half.safetensors");
    let half = CompactOptions { numbers: CompactNumbers::F16, with_mano: false };
    let error = file.write_compact(&path, half).unwrap_err().to_string();
    assert_eq!(
        error,
        "tensor backbone.patch_embed.proj.weight holds 70000, which f16 cannot hold; choose bf16 or f32"
    );
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
    assert!(file.write_compact(&here.path, half).unwrap_err().to_string().contains("another name"));
    let endless = Installed::new(&Release { outlier: Some(f32::INFINITY), ..Release::small_hamer() });
    let file = ReleasedFile::open(&endless.path).unwrap();
    assert!(file.write_compact(&path, half).unwrap_err().to_string().contains("not finite"));
}

fn handstream(home: &Path, arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handstream"));
    arguments.iter().for_each(|argument| {
        command.arg(argument);
    });
    command.env("HANDSTREAM_HOME", home).output().expect("the program starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn setup_notes_the_projects_folders_once_and_doctor_looks_at_them() {
    let (hamer, haptic) = (Installed::new(&Release::small_hamer()), Installed::new(&Release::small()));
    let mano = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mano_like_python2.pkl");
    let place = hamer.folder.path().join("_DATA/data/mano");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::copy(mano, place.join("MANO_RIGHT.pkl")).unwrap();
    let home = tempfile::tempdir().unwrap();
    let doctor = said(&handstream(home.path(), &[&"doctor"]));
    assert!(doctor.contains("setup --haptic"), "{doctor}");

    let omnihands = home.path().join("omnihands");
    OmniRelease::small().install(&omnihands, "Demo_Video.pth");
    let setup = [
        &"setup" as &dyn AsRef<_>,
        &"--hamer",
        &hamer.folder.path(),
        &"--haptic",
        &haptic.folder.path(),
        &"--omnihands",
        &omnihands,
    ];
    let done = handstream(home.path(), &setup);
    assert!(done.status.success(), "{}", said(&done));
    let doctor = said(&handstream(home.path(), &[&"doctor"]));
    let words = [
        "hamer.ckpt, backbone of 3 blocks",
        "last.ckpt, backbone",
        "Demo_Video.pth, backbone of 2 blocks 160 wide, 2 blocks between the hands, windows of 9 frames",
        "MANO_RIGHT.pkl, ",
    ];
    for word in words {
        assert!(doctor.contains(word), "no “{word}” in: {doctor}");
    }

    let swapped = handstream(home.path(), &[&"setup", &"--hamer", &haptic.path]);
    assert!(
        !swapped.status.success() && said(&swapped).contains("give it with --haptic"),
        "{}",
        said(&swapped)
    );
    let nothing = handstream(home.path(), &[&"setup", &"--haptic", &home.path()]);
    assert!(
        said(&nothing).contains("no output/release/mix_all/checkpoints/last.ckpt in"),
        "{}",
        said(&nothing)
    );
    std::fs::remove_file(&haptic.path).unwrap();
    let doctor = said(&handstream(home.path(), &[&"doctor"]));
    assert!(doctor.contains("last.ckpt") && doctor.contains("check the path"), "{doctor}");
}

#[test]
fn a_converted_omnihands_is_no_pickle_any_more_and_the_same_network() {
    let folder = tempfile::tempdir().unwrap();
    for (name, window) in [("Demo_Video.pth", 9), ("Demo_Image.pth", 1)] {
        let path = OmniRelease::small().install(folder.path(), name);
        // The new name tells nothing of the window.
        let out = folder.path().join("two_hands.safetensors");
        let done = handstream(folder.path(), &[&"convert", &path, &out, &"--dtype", &"f32"]);
        assert!(
            done.status.success() && said(&done).contains("(OmniHands, matrices in f32)"),
            "{}",
            said(&done)
        );
        let (original, written) = (OmniFile::open(&path).unwrap(), OmniFile::open(&out).unwrap());
        assert_eq!((written.window(), written.shape()), (window, original.shape()));
        assert_eq!(written.backbone(), original.backbone());
        assert!(written.network(RelationMode::Release).is_ok());
        let (new, old) = (written.checkpoint(), original.checkpoint());
        assert_eq!((new.fact("kind"), new.fact("source")), (Some("omnihands"), Some(name)));
        for tensor in new.root().names() {
            assert!(!tensor.starts_with("mano."), "{tensor}");
            assert_eq!(new.raw(tensor).unwrap().data, old.raw(tensor).unwrap().data, "{tensor}");
        }
        assert_eq!(std::fs::read(&out).unwrap().get(8), Some(&b'{'), "no archive of pickles");
    }
}

#[test]
fn convert_says_what_it_wrote() {
    let here = Installed::new(&Release::small());
    let out = here.folder.path().join("small.safetensors");
    let done = handstream(here.folder.path(), &[&"convert", &here.path, &out, &"--dtype", &"bf16"]);
    assert!(done.status.success(), "{}", said(&done));
    assert!(said(&done).contains("(HaPTIC, matrices in bf16)"), "{}", said(&done));
    assert_eq!(ReleasedFile::open(&out).unwrap().checkpoint().fact("dtype"), Some("bf16"));
}
