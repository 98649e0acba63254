//! Checkpoints in the layouts of the releases.

use handstream::net::CheckpointFile;

use super::variant::Variant;

#[test]
fn a_lightning_archive_gives_the_numbers_of_its_safetensors_twin() {
    for variant in Variant::all() {
        let twin = variant.path("haptic_weights");
        let torch = CheckpointFile::open(twin.with_file_name("haptic_small.ckpt")).unwrap();
        let twin = CheckpointFile::open(twin).unwrap();
        let (torch, twin) = (torch.checkpoint(), twin.checkpoint());
        let mut compared = 0;
        for name in twin.root().names() {
            let (found, wanted) = (torch.raw(name).unwrap(), twin.raw(name).unwrap());
            assert_eq!((found.dtype, found.shape), (wanted.dtype, wanted.shape), "{name}");
            assert!(found.data == wanted.data, "{name}");
            compared += 1;
        }
        assert!(compared > 100, "{compared} tensors");
        let (root, backbone) = (torch.root(), torch.root().part("backbone"));
        assert!(root.part("backbone_bg").names().eq(backbone.names()), "the second name is there");
        assert!(root.has("backbone.pos_embed") && !root.has("backbone.no_such_tensor"));
    }
}
